"""What every platform must do, written against the protocol and a factory.

A platform's own test module subclasses `Contract` and gives the fixture `factory`. Stories are
told in plain Python scripts, so that each platform can declare them in its own way.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from agent.errors import Unavailable
from agent.platforms import Platform
from agent.playbook import Expectation
from agent.records import Deployment, Failure, Repair, Run, RunStatus, Tree


class Piece(NamedTuple):
    """One task of a story."""

    task: str
    script: str
    needs: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The script's path in the tree."""
        return f"{self.task}.py"


class Stage(NamedTuple):
    """A connected platform and the tree of one story."""

    platform: Platform
    tree: Tree
    connect: Callable[[], Platform]
    """Connects again, as another process would."""
    change: Callable[[str, str], Tree]
    """Returns a further tree in which the file at a path has this text."""


class Patient:
    """A platform whose "not now" is waited out, as the runner does."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._platform, name)
        return _patient(found) if callable(found) else found


def _patient(call: Callable[..., Any]) -> Callable[..., Any]:
    def waited(*arguments: Any) -> Any:
        pause = threading.Event()
        for _ in range(200):
            try:
                return call(*arguments)
            except Unavailable:
                pause.wait(0.05)
        return call(*arguments)

    return waited


class Factory(Protocol):
    """Builds the stage of a story."""

    def __call__(
        self,
        *pieces: Piece,
        parameters: dict[str, str] | None = None,
        given: dict[str, str] | None = None,
        broken: bool = False,
    ) -> Stage:
        """`parameters` are the job's with their defaults, `given` what the playbook gives.

        `broken`: a declaration with one wrong word.
        """


FINE = 'import json, uuid\nprint("working")\nprint(json.dumps({"id": uuid.uuid4().hex}))\n'
FAILS = 'import sys\nprint("about to")\nrow = {"amount": 1}\nrow["amout"]\n'
SLOW = "import time\nprint('[Step 1/2] waiting', flush=True)\ntime.sleep(120)\n"
ITEMS = (
    "import json\n"
    'print(json.dumps({"status": "partial", "total": 3, "successful": 2, "failed": 1,'
    ' "failed_items": ["b"]}))\n'
)
DAY = 'import sys, json, uuid\nprint(json.dumps({"day": sys.argv[1], "id": uuid.uuid4().hex}))\n'


def deployed(stage: Stage, key: str = "d1") -> Deployment:
    """Deploy the stage's tree, which must be right."""
    made = stage.platform.deploy(key, stage.tree, None)
    assert isinstance(made, Deployment), made
    return made


def started(stage: Stage, key: str = "r1", repair: Repair | None = None) -> Run:
    """Deploy and start."""
    run = stage.platform.start(key, deployed(stage), stage.tree, repair)
    assert isinstance(run, Run), run
    return run


def until(
    platform: Platform, run: str, holds: Callable[[RunStatus], bool], within_s: float = 40.0
) -> RunStatus:
    """Poll until something holds of the run."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        (status,) = platform.poll([run])
        if holds(status):
            return status
        assert time.monotonic() < deadline, status
        pause.wait(0.03)


def ended(stage: Stage, run: Run) -> RunStatus:
    """Wait for a run's end."""
    return until(stage.platform, run.run, lambda status: status.state != "running")


def values(status: RunStatus) -> dict[str, object]:
    """Return the exit values by task."""
    return {task.task: task.exit_value for task in status.tasks}


def states(status: RunStatus) -> dict[str, str]:
    """Return the states by task."""
    return {task.task: task.state for task in status.tasks}


class Contract:
    """The suite."""

    def test_a_healthy_job_succeeds_and_gives_its_exit_value(self, factory: Factory) -> None:
        stage = factory(Piece("one", FINE))
        status = ended(stage, started(stage))
        assert status.state == "succeeded"
        assert states(status) == {"one": "succeeded"}
        assert set(values(status)["one"]) == {"id"}  # type: ignore[call-overload]
        assert stage.platform.failures(status, stage.tree) == ()

    def test_the_same_key_deploys_once(self, factory: Factory) -> None:
        stage = factory(Piece("one", FINE), Piece("two", FINE, ("one",)))
        first = deployed(stage)
        assert first.tasks == ("one", "two")
        assert stage.connect().deploy("d1", stage.tree, None) == first

    def test_the_same_key_is_the_same_run_alive_and_ended(self, factory: Factory) -> None:
        stage = factory(Piece("one", FINE))
        run = started(stage)
        assert started(stage) == run
        status = ended(stage, run)
        elsewhere = stage.connect()
        assert elsewhere.start("r1", deployed(stage), stage.tree, None) == run
        (again,) = elsewhere.poll([run.run])
        assert values(again) == values(status)

    def test_another_key_is_another_run(self, factory: Factory) -> None:
        stage = factory(Piece("one", FINE))
        first, second = (ended(stage, started(stage, key)) for key in ("r1", "r2"))
        assert first.run != second.run
        assert values(first) != values(second)

    def test_many_runs_are_polled_in_one_call_in_their_order(self, factory: Factory) -> None:
        stage = factory(Piece("one", FINE))
        runs = [started(stage, key).run for key in ("r1", "r2", "r3")]
        for run in runs:
            until(stage.platform, run, lambda status: status.state == "succeeded")
        wanted = [runs[2], runs[0], runs[1]]
        assert [status.run for status in stage.platform.poll(wanted)] == wanted
        assert stage.platform.poll([]) == ()

    def test_a_failing_task_is_a_failure_with_its_evidence(self, factory: Factory) -> None:
        stage = factory(
            Piece("one", FINE), Piece("two", FAILS, ("one",)), Piece("three", FINE, ("two",))
        )
        status = ended(stage, started(stage))
        assert status.state == "failed"
        assert states(status) == {"one": "succeeded", "two": "failed", "three": "upstream_failed"}
        (failure,) = stage.platform.failures(status, stage.tree)
        assert (failure.phase, failure.task, failure.run) == ("run", "two", status.run)
        assert "KeyError: 'amout'" in failure.message
        assert any("KeyError: 'amout'" in line.text for line in failure.log)
        assert failure.started

    def test_a_green_task_with_failed_items_shows_them(self, factory: Factory) -> None:
        stage = factory(Piece("one", ITEMS))
        status = ended(stage, started(stage))
        assert status.state == "succeeded"
        assert values(status)["one"]["failed_items"] == ["b"]  # type: ignore[index]

    def test_a_wrong_declaration_is_a_failure_of_create(self, factory: Factory) -> None:
        stage = factory(Piece("one", FINE), broken=True)
        made = stage.platform.deploy("d1", stage.tree, None)
        assert isinstance(made, tuple)
        assert made
        assert all(isinstance(f, Failure) and f.phase == "create" and f.message for f in made)
        assert not any(f.started for f in made)

    def test_a_repair_keeps_successes_and_parameters(self, factory: Factory) -> None:
        stage = factory(
            Piece("one", DAY, (), ("{{job.parameters.day}}",)),
            Piece("two", FAILS, ("one",), ("{{job.parameters.day}}",)),
            Piece("three", DAY, ("two",), ("{{job.parameters.day}}",)),
            parameters={"day": "2026-01-01"},
            given={"day": "2026-07-01"},
        )
        first = started(stage)
        before = ended(stage, first)
        mended = stage._replace(tree=stage.change("two.py", DAY))
        again = stage.platform.deploy("d2", mended.tree, deployed(stage))
        assert isinstance(again, Deployment)
        repair = Repair(run=first.run, tasks=("two", "three"))
        run = stage.platform.start("r2", again, mended.tree, repair)
        assert isinstance(run, Run)
        assert run.repairs == first.run
        assert run.parameters == first.parameters == {"day": "2026-07-01"}
        status = ended(mended, run)
        assert status.state == "succeeded"
        assert values(status)["one"] == values(before)["one"]
        assert values(status)["three"]["day"] == "2026-07-01"  # type: ignore[index]

    def test_cancelling_ends_the_run_and_twice_is_once(self, factory: Factory) -> None:
        stage = factory(Piece("one", SLOW), Piece("two", FINE, ("one",)))
        run = started(stage)
        until(stage.platform, run.run, lambda s: s.tasks[0].step == "[Step 1/2] waiting")
        status = stage.platform.cancel("c1", run.run)
        assert status.state == "cancelled"
        assert states(status) == {"one": "cancelled", "two": "cancelled"}
        assert stage.platform.failures(status, stage.tree)
        assert states(stage.platform.cancel("c1", run.run)) == states(status)

    def test_cancelling_an_ended_run_leaves_it_as_it_ended(self, factory: Factory) -> None:
        stage = factory(Piece("one", FINE))
        run = started(stage)
        ended(stage, run)
        assert stage.platform.cancel("c1", run.run).state == "succeeded"

    def test_secrets_in_the_output_do_not_leave_the_platform(self, factory: Factory) -> None:
        secret = "dapi" + "0123456789abcdef" * 2
        script = (
            "import json, sys\n"
            f"print('token is {secret}', file=sys.stderr)\n"
            f"print(json.dumps({{'token': '{secret}'}}))\n"
            f"sys.exit('cannot log in with {secret}')\n"
        )
        stage = factory(Piece("one", script))
        status = ended(stage, started(stage))
        said = "".join(f.dump() for f in stage.platform.failures(status, stage.tree))
        assert "cannot log in with" in said
        assert secret not in said + status.dump()

    def test_tasks_and_what_a_change_concerns_are_told(self, factory: Factory) -> None:
        stage = factory(Piece("one", "import shared\nshared.go()\n"), Piece("two", FINE, ("one",)))
        sources = {source.task: source for source in stage.platform.tasks(stage.tree)}
        assert list(sources) == ["one", "two"]
        assert sources["two"].text == FINE
        assert sources["two"].depends_on == ("one",)
        assert stage.platform.affected(stage.tree, stage.tree) == ()
        after = stage.change("two.py", DAY)
        assert stage.platform.affected(stage.tree, after) == ("two",)
        assert stage.platform.affected(stage.tree, stage.change("shared.py", "x = 1\n")) == ("one",)

    def test_each_expectation_has_its_check_in_order(self, factory: Factory) -> None:
        stage = factory(Piece("one", FINE))
        status = ended(stage, started(stage))
        wanted: Sequence[Expectation] = (
            Expectation(file="no/such/file.csv"),
            Expectation(table="no_such_table", name="a table"),
        )
        checks = stage.platform.verify(status, stage.tree, wanted)
        assert len(checks) == 2
        assert checks[1].name == "a table"
        assert all(check.outcome in ("failed", "unknown") for check in checks)
        assert stage.platform.verify(status, stage.tree, ()) == ()

    def test_records_survive_json(self, factory: Factory) -> None:
        stage = factory(Piece("one", FAILS))
        status = ended(stage, started(stage))
        for failure in stage.platform.failures(status, stage.tree):
            assert Failure.model_validate_json(failure.dump()) == failure
        assert RunStatus.model_validate_json(status.dump()) == status
        assert json.loads(status.dump())["state"] == "failed"


class RemoteContract(Contract):
    """The suite for a service that gives what a script prints only once it has ended."""

    def test_cancelling_ends_the_run_and_twice_is_once(self, factory: Factory) -> None:
        stage = factory(Piece("one", SLOW), Piece("two", FINE, ("one",)))
        run = started(stage)
        until(stage.platform, run.run, lambda s: states(s).get("one") == "running")
        status = stage.platform.cancel("c1", run.run)
        assert status.state == "cancelled"
        assert states(status) == {"one": "cancelled", "two": "cancelled"}
        assert stage.platform.failures(status, stage.tree)
        assert states(stage.platform.cancel("c1", run.run)) == states(status)

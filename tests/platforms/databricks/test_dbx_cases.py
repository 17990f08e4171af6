"""Cases on a workspace where others work too: what asks, what ends as held, what is put back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbx_cases import HEADER, MISSPELT, NOTEBOOKS, Shop, bad_column, fine
from told import Made, Told

from agent import cases, report, verdicts
from agent.cases import Result
from agent.errors import Refused, UsageError
from agent.events import Diagnosed, Escalated, Restored, Started
from agent.journal import Journal
from agent.machine import Case
from agent.records import Risk
from agent.simulators.databricks import Simulator, VirtualClock
from agent.simulators.databricks.outcomes import Outcome
from agent.simulators.loopback import Reply

MENDED = NOTEBOOKS["src/sales.py"].replace("amout", "amount")
UNKNOWN = Outcome(result="FAILED", error="RuntimeError: the moon is in the wrong house")
TRANSIENT = Outcome(result="FAILED", error="ConnectionResetError: [Errno 104] reset by peer")


def slowly(*values: Any) -> Any:
    """Return a parameter whose test is a slow one."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture
def shop(sim: Simulator, tmp_path: Path) -> Shop:
    """Give a job whose task `sales` fails until its column is spelt right."""
    return new(sim, tmp_path)


def new(sim: Simulator, folder: Path, **book: Any) -> Shop:
    """Return a shop in a folder of its own."""
    (folder / "shop").mkdir()
    made = Shop(sim, folder / "shop", **book)
    made.declare_broken()
    return made


def healthy(shop: Shop) -> Case:
    """Carry the job through a case in which nothing fails; it then is in the workspace."""
    shop.declare("sales", fine())
    case = shop.heal().case
    assert verdicts.of_case(case) == "healthy"
    shop.declare("sales", bad_column(), fine())
    shop.sim.clock.advance(3600)
    shop.told = Told()
    return case


def failed_run(shop: Shop, **more: Any) -> int:
    """Let somebody else's run of the job fail."""
    run = shop.run_now(**more)
    shop.sim.clock.advance(600)
    return run


def verdict(result: Result) -> str | None:
    """Return how a case stands."""
    return result.pause.verdict if result.pause is not None else verdicts.of_case(result.case)


def reason(result: Result) -> str:
    """Return why a case ended otherwise than well."""
    assert isinstance(result.case.end, Escalated), result.case.end
    return result.case.end.reason


def changes(shop: Shop) -> list[str]:
    """Return the calls so far that may have changed something."""
    return [c.path.rpartition("/")[2] for c in shop.sim.calls if c.method != "GET"]


# A run that failed before we were called


def test_a_failed_run_is_taken_over_and_nothing_is_deployed_before_the_fix(shop: Shop) -> None:
    healthy(shop)
    run = failed_run(shop)
    before = len(changes(shop))
    made: list[str] = []
    shop.told.at["approved"] = lambda: made.extend(changes(shop)[before:])
    result = shop.heal(run)
    assert verdict(result) == "healed"
    assert shop.kinds(result.case)[:5] == ["opened", "adopted", "failed", "diagnosed", "proposed"]
    assert made == []
    assert changes(shop)[before:] == ["mkdirs", "import", "repair"]
    assert result.case.run is not None
    assert result.case.run.run == str(run)
    assert shop.text("src/sales.py").strip() == MENDED.strip()


@pytest.mark.slow
def test_a_failed_run_is_found_by_the_address_of_its_page(shop: Shop) -> None:
    healthy(shop)
    run = failed_run(shop)
    (job,) = shop.jobs()
    result = shop.heal(f"{shop.sim.url}/jobs/{job['job_id']}/runs/{run}?o=1")
    assert verdict(result) == "healed"
    assert shop.made().repairs == 1


def test_remote_code_other_than_the_source_asks_before_a_failed_runs_fix(shop: Shop) -> None:
    healthy(shop)
    shop.overwrite("src/load.py", f"{HEADER}print('changed by hand')\n")
    run = failed_run(shop)
    result = shop.heal(run)
    assert (result.case.state, verdict(result)) == ("approve", "waiting")
    assert result.case.proposal is not None
    found = {e.kind: e for e in result.case.proposal.patch.effects if e.risk >= Risk.ASK}
    assert found["remote_overwrite"].path == "src/load.py"
    assert "changed by hand" in shop.text("src/load.py")
    after = shop.approve(result.case)
    assert verdict(after) == "healed"
    assert "changed by hand" not in shop.text("src/load.py")


def test_a_run_of_another_job_is_refused_and_blocks_nothing(shop: Shop, sim: Simulator) -> None:
    healthy(shop)
    job = {**shop.job(), "name": "other"}
    other = shop.ask("POST", "/api/2.2/jobs/create", job)["job_id"]
    wrong = shop.ask("POST", "/api/2.2/jobs/run-now", {"job_id": other})["run_id"]
    with pytest.raises(UsageError, match=f"run {wrong} is a run of job {other}, not of job"):
        shop.heal(wrong)
    sim.clock.advance(600)
    assert verdict(shop.heal(failed_run(shop))) == "healed"


def test_a_run_that_is_no_longer_kept_is_refused_and_blocks_nothing(shop: Shop) -> None:
    healthy(shop)
    run = failed_run(shop)
    shop.sim.clock.advance(61 * 86400)
    with pytest.raises(UsageError, match="runs are kept for 60 days"):
        shop.heal(run)
    assert verdict(shop.heal()) == "healthy"


@pytest.mark.slow
def test_a_run_that_still_goes_on_is_watched_to_its_end(shop: Shop) -> None:
    healthy(shop)
    run = shop.run_now()
    result = shop.heal(run)
    assert verdict(result) == "healed"
    assert shop.made() == Made(jobs=1, runs=2, repairs=1, cancelled=0)


def test_a_run_that_succeeded_is_healthy(shop: Shop) -> None:
    healthy(shop)
    shop.declare("sales", fine())
    result = shop.heal(failed_run(shop))
    assert verdict(result) == "healthy"
    assert shop.kinds(result.case) == ["opened", "adopted", "finished", "checked", "delivered"]


@pytest.mark.parametrize("said", [slowly("{run}"), "{url}/jobs/1/runs/{run}"])
def test_a_run_taken_over_is_somebody_elses_to_stop(shop: Shop, said: str) -> None:
    shop.book(poll={"deadline": "1h"})
    healthy(shop)
    shop.declare("sales", Outcome(never_ends=True))
    run = said.format(run=shop.run_now(), url=shop.sim.url)
    result = shop.heal(run)
    assert verdict(result) == "exhausted"
    assert "it is left running" in reason(result)
    cancel_while(shop, "sales")
    assert verdict(shop.heal(run)) == "cancelled"
    assert [r["state"] for r in shop.runs()][1:] == ["RUNNING"]
    assert shop.made().cancelled == 0


# Others do something about it meanwhile


def repair(shop: Shop) -> None:
    """Somebody else repairs the newest run."""
    body = {"run_id": shop.runs()[-1]["run_id"], "rerun_all_failed_tasks": True}
    shop.ask("POST", "/api/2.2/jobs/runs/repair", body)
    shop.sim.clock.advance(3600)


def run(shop: Shop) -> None:
    """Somebody else starts a run, which goes on."""
    shop.sim.clock.advance(10)
    shop.run_now()


def success(shop: Shop) -> None:
    """Somebody else's run succeeds."""
    run(shop)
    shop.sim.clock.advance(3600)


OTHERS: dict[str, tuple[Callable[[Shop], None], str]] = {
    "repair": (repair, "was repaired by somebody else"),
    "run": (run, "of the job is active"),
    "success": (success, "has succeeded since"),
}


@pytest.mark.parametrize("what", ["repair", slowly("run"), slowly("success")])
def test_what_somebody_else_does_before_the_redeploy_ends_the_case(shop: Shop, what: str) -> None:
    act, said = OTHERS[what]
    shop.told.at["approved"] = lambda: act(shop)
    result = shop.heal()
    assert verdict(result) == "held"
    assert verdicts.EXIT["held"] == 10
    assert said in reason(result)
    assert shop.text("src/sales.py").strip() == NOTEBOOKS["src/sales.py"].strip()
    assert not any(isinstance(e, Restored) for e in shop.events(result.case))


@pytest.mark.parametrize("what", [slowly("repair"), "run", slowly("success")])
def test_what_somebody_else_does_after_it_ends_the_case_and_it_is_put_back(
    shop: Shop, what: str
) -> None:
    act, said = OTHERS[what]
    shop.told.at["requested start"] = lambda: None
    seen: list[str] = []

    def redeployed() -> None:
        seen.append(shop.text("src/sales.py").strip())
        act(shop)

    shop.told.at["approved"] = lambda: shop.told.at.update(deployed=redeployed)
    result = shop.heal()
    assert verdict(result) == "held"
    assert said in reason(result)
    assert seen == [MENDED.strip()]
    restored = shop.events(result.case)[-1]
    assert isinstance(restored, Restored)
    assert restored.deployment is not None
    assert shop.text("src/sales.py").strip() == NOTEBOOKS["src/sales.py"].strip()


def test_somebody_elses_repair_that_crosses_ours_ends_the_case(shop: Shop) -> None:
    shop.sim.faults.add("POST */runs/repair", "drop_before")
    waited: list[str] = []

    def theirs(why: str) -> None:
        if "runs/repair" in why and not waited:
            waited.append(why)
            body = {"run_id": shop.runs()[-1]["run_id"], "rerun_tasks": ["load"]}
            shop.ask("POST", "/api/2.2/jobs/runs/repair", body)

    shop.told.on_wait = theirs
    result = shop.heal()
    assert len(waited) == 1
    assert verdict(result) == "held"
    assert "was repaired by somebody else" in reason(result)
    assert_put_back(shop, result.case)


# What others changed since we last deployed


def files(shop: Shop) -> None:
    """Somebody else changes a file."""
    shop.overwrite("src/load.py", f"{HEADER}print('changed by hand')\n")


def settings(shop: Shop) -> None:
    """Somebody else changes the job's settings."""
    shop.change_job(timeout_seconds=3600)


@pytest.mark.parametrize("act", [slowly(files), settings])
def test_what_somebody_else_changed_asks_before_create_deploys(
    shop: Shop, act: Callable[[Shop], None]
) -> None:
    healthy(shop)
    act(shop)
    before = len(changes(shop))
    result = shop.heal()
    assert (result.case.state, verdict(result)) == ("approve", "waiting")
    assert result.case.proposal is not None
    assert result.case.proposal.patch.author == "deploy"
    assert [e.kind for e in result.case.proposal.patch.effects] == ["remote_overwrite"]
    assert changes(shop)[before:] == []
    after = shop.approve(result.case)
    assert verdict(after) == "healed"
    assert "changed by hand" not in shop.text("src/load.py")
    assert "timeout_seconds" not in shop.jobs()[0]["settings"] or (
        shop.jobs()[0]["settings"]["timeout_seconds"] == 0
    )


@pytest.mark.parametrize("act", [files, slowly(settings)])
def test_another_change_after_the_approval_ends_the_case(
    shop: Shop, act: Callable[[Shop], None]
) -> None:
    healthy(shop)
    act(shop)
    result = shop.heal()
    theirs = f"{HEADER}print('and this too')\n"
    after = shop.approve(result.case, lambda: shop.overwrite("src/report.py", theirs))
    assert verdict(after) == "held"
    assert "what a deploy would do has changed after it was approved" in reason(after)
    assert "src/report" in reason(after)
    assert "and this too" in shop.text("src/report.py")


def test_a_second_change_of_the_same_file_is_another_change(shop: Shop) -> None:
    healthy(shop)
    files(shop)
    result = shop.heal()
    theirs = f"{HEADER}print('changed once more')\n"
    after = shop.approve(result.case, lambda: shop.overwrite("src/load.py", theirs))
    assert verdict(after) == "held"
    assert "changed once more" in shop.text("src/load.py")


@pytest.mark.slow
def test_a_change_while_the_run_went_on_asks_before_the_patch(shop: Shop) -> None:
    shop.told.at["started"] = lambda: files(shop)
    result = shop.heal()
    assert verdict(result) == "waiting"
    assert result.case.proposal is not None
    kinds = [e.kind for e in result.case.proposal.patch.effects if e.risk >= Risk.ASK]
    assert kinds == ["remote_overwrite"]
    assert verdict(shop.approve(result.case)) == "healed"


def test_a_change_after_the_patch_was_approved_ends_the_case(shop: Shop) -> None:
    shop.told.at["approved"] = lambda: files(shop)
    result = shop.heal()
    assert verdict(result) == "held"
    assert "changed by hand" in shop.text("src/load.py")
    assert shop.text("src/sales.py").strip() == NOTEBOOKS["src/sales.py"].strip()


def delete(shop: Shop) -> None:
    """Somebody else deletes the job."""
    (job,) = shop.jobs()
    shop.ask("POST", "/api/2.2/jobs/delete", {"job_id": job["job_id"]})


@pytest.mark.slow
def test_a_job_that_somebody_deleted_is_not_made_anew_without_asking(shop: Shop) -> None:
    healthy(shop)
    delete(shop)
    result = shop.heal()
    assert verdict(result) == "waiting"
    assert result.case.proposal is not None
    (effect,) = result.case.proposal.patch.effects
    assert "was deleted or taken from us by somebody else" in effect.detail
    assert shop.jobs() == []
    assert verdict(shop.approve(result.case)) == "healed"


def test_a_job_deleted_in_mid_run_asks_and_then_its_new_one_runs_whole(shop: Shop) -> None:
    shop.told.at["started"] = lambda: delete(shop)
    result = shop.heal()
    assert verdict(result) == "waiting"
    assert shop.jobs() == []
    after = shop.approve(result.case)
    assert verdict(after) == "healed"
    assert shop.made() == Made(jobs=1, runs=2, repairs=0, cancelled=0)
    started = [e.run for e in shop.events(after.case) if isinstance(e, Started)]
    assert "a new run: run" in started[1].note


def test_production_asks_for_the_first_deploy_and_for_every_patch(
    sim: Simulator, tmp_path: Path
) -> None:
    shop = new(sim, tmp_path, production=True)
    result = shop.heal()
    assert verdict(result) == "waiting"
    assert result.case.proposal is not None
    assert {e.kind for e in result.case.proposal.patch.effects} == {"production_deploy"}
    assert shop.jobs() == []
    result = shop.approve(result.case)
    assert verdict(result) == "waiting"
    assert result.case.proposal is not None
    assert result.case.proposal.patch.author == "fixer:rename_column"
    assert shop.text("src/sales.py").strip() == NOTEBOOKS["src/sales.py"].strip()
    assert verdict(shop.approve(result.case)) == "healed"


class Refusing(Simulator):
    """A workspace that refuses chosen imports for a reason that passes."""

    at: tuple[int, ...] = ()
    seen = 0

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        if target.endswith("/workspace/import"):
            self.seen += 1
            if self.seen in self.at:
                body = {"error_code": "INTERNAL_ERROR", "message": "An internal error occurred."}
                return Reply(400, body)
        return super().answer(method, target, headers, raw)


@pytest.fixture
def refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    with Refusing(tmp_path / "workspace", clock=VirtualClock()) as simulator:
        monkeypatch.setenv("DATABRICKS_HOST", simulator.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", simulator.token)
        yield simulator


@pytest.mark.parametrize("production", [slowly(False), True])
def test_a_patch_whose_deploy_failed_is_deployed_before_it_counts_as_proved(
    refusing: Refusing, tmp_path: Path, production: bool
) -> None:
    refusing.at = (5,)
    shop = new(refusing, tmp_path, production=production)
    result = shop.heal()
    while verdict(result) == "waiting" and production:
        result = shop.approve(result.case)
    assert verdict(result) == "healed"
    assert refusing.seen == 6
    assert shop.text("src/sales.py").strip() == MENDED.strip()
    assert shop.made() == Made(jobs=1, runs=1, repairs=1, cancelled=0)


@pytest.mark.slow
def test_a_first_deploy_that_failed_is_tried_again_on_production_too(
    refusing: Refusing, tmp_path: Path
) -> None:
    refusing.at = (2,)
    shop = new(refusing, tmp_path, production=True)
    result = shop.heal()
    asked = []
    while verdict(result) == "waiting":
        assert result.case.proposal is not None
        asked.append(result.case.proposal.patch.author)
        result = shop.approve(result.case)
    assert verdict(result) == "healed"
    assert asked == ["deploy", "rerun", "fixer:rename_column"]


# Putting back


def no_heal(shop: Shop) -> None:
    """Let the mended task fail otherwise."""
    shop.declare("sales", bad_column(), UNKNOWN)


def assert_put_back(shop: Shop, case: Case) -> None:
    """See that what was there before the patch is there again."""
    restored = [e for e in shop.events(case) if isinstance(e, Restored)]
    assert len(restored) == 1
    assert restored[0].deployment is not None
    assert shop.text("src/sales.py").strip() == NOTEBOOKS["src/sales.py"].strip()
    assert not case.unrestored


def test_a_case_without_a_heal_puts_back_what_was_there(shop: Shop) -> None:
    no_heal(shop)
    seen: list[str] = []
    shop.told.at["escalated"] = lambda: seen.append(shop.text("src/sales.py").strip())
    result = shop.heal()
    assert verdict(result) == "escalated"
    assert seen == [MENDED.strip()]
    assert_put_back(shop, result.case)
    assert shop.kinds(result.case)[-3:] == ["escalated", "requested", "restored"]


def test_settings_that_a_patch_changed_are_put_back_too(shop: Shop) -> None:
    error = "ModuleNotFoundError: No module named 'tabulate'"
    shop.declare("sales", Outcome(result="FAILED", error=error, error_trace=error), UNKNOWN)
    seen: list[str] = []
    shop.told.at["escalated"] = lambda: seen.append(str(shop.jobs()[0]["settings"]))
    assert verdict(shop.heal()) == "escalated"
    assert "tabulate" in seen[0]
    assert "tabulate" not in str(shop.jobs()[0]["settings"])


class Killed(BaseException):
    """The process is gone."""


class Dying(Journal):
    """A journal whose process is gone before, or right after, its n-th append."""

    def __init__(self, folder: Path, at: int, *, after: bool) -> None:
        super().__init__(folder)
        self._left, self._after = at, after

    def append(self, case: Case, event: Any) -> Case:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise Killed
        moved = super().append(case, event)
        if self._left < 0:
            raise Killed
        return moved


@pytest.mark.parametrize(
    ("place", "after"),
    [slowly(-3, True), slowly(-2, False), (-2, True), (-1, False), slowly(-1, True)],
)
def test_what_was_not_put_back_when_the_process_died_is_put_back_later(
    shop: Shop, place: int, after: bool
) -> None:
    no_heal(shop)
    whole = 17  # events of this story but the first; the last two put back
    at = whole + place
    with pytest.raises(Killed):
        cases.heal(shop.desk(lambda folder: Dying(folder, at, after=after)), shop.loaded)
    result = shop.heal()
    case = shop.desk().journal.load(shop.desk().journal.cases()[0].case)
    assert case.length == whole + 1
    if (place, after) == (-1, True):
        assert result.case.id != case.id  # that one was over; this is another
    else:
        assert result.case.id == case.id
        assert_put_back(shop, case)


def test_nothing_is_put_back_over_what_somebody_else_changed(shop: Shop) -> None:
    no_heal(shop)
    theirs = f"{HEADER}print('mended by hand')\n"
    shop.told.at["escalated"] = lambda: shop.overwrite("src/sales.py", theirs)
    result = shop.heal()
    assert verdict(result) == "escalated"
    (restored,) = [e for e in shop.events(result.case) if isinstance(e, Restored)]
    assert restored.deployment is None
    assert "somebody else changed it meanwhile" in restored.what
    assert shop.text("src/sales.py") == theirs


# People end cases


def cancel_while(shop: Shop, word: str, times: int = 1) -> list[Made]:
    """Let a person cancel the case while a task with this name runs for the n-th time.

    Returned is what is in the workspace once that is done.
    """
    ended: list[Made] = []
    seen: set[str | None] = set()

    def cancel(status: Any) -> None:
        for task in status.tasks:
            if task.task == word and task.state == "running":
                seen.add(task.task_run)
        if len(seen) == times and not ended:
            summary = shop.desk().journal.cases()[-1]
            case = cases.cancel(shop.desk(), summary.case, "stop it")
            assert case.state == "cancelled"
            ended.append(shop.made())

    shop.told.on_poll = cancel
    return ended


def test_cancelling_ends_the_run_before_the_case_ends(shop: Shop) -> None:
    ended = cancel_while(shop, "sales")
    shop.declare("sales", Outcome(never_ends=True))
    result = shop.heal()
    assert verdict(result) == "cancelled"
    assert ended == [shop.made()] == [Made(jobs=1, runs=1, repairs=0, cancelled=1)]
    assert "restored" not in shop.kinds(result.case)


def test_cancelling_the_run_of_a_patch_puts_back_what_was_there(shop: Shop) -> None:
    ended = cancel_while(shop, "sales", times=2)
    shop.declare("sales", bad_column(), Outcome(never_ends=True))
    result = shop.heal()
    assert verdict(result) == "cancelled"
    assert ended == [shop.made()] == [Made(jobs=1, runs=1, repairs=1, cancelled=1)]
    assert_put_back(shop, result.case)


@pytest.mark.parametrize(("patched", "at"), [slowly(False, 4), (True, 12)])
def test_a_case_whose_driver_died_is_cancelled_with_its_run(
    shop: Shop, patched: bool, at: int
) -> None:
    never = Outcome(never_ends=True)
    shop.declare("sales", *((bad_column(),) if patched else ()), never)
    with pytest.raises(Killed):
        cases.heal(shop.desk(lambda folder: Dying(folder, at, after=False)), shop.loaded)
    shop.sim.clock.advance(100)
    (summary,) = shop.desk().journal.cases()
    before = shop.runs()[-1]["state"]
    case = cases.cancel(shop.desk(), summary.case, "stop it")
    assert (before, shop.runs()[-1]["state"]) == ("RUNNING", "ENDED")
    assert case.state == "cancelled"
    assert shop.made().cancelled == 1
    if patched:
        assert_put_back(shop, case)


class Crossed(Journal):
    """A journal in which a person cancels the case right before its n-th append."""

    def __init__(self, folder: Path, shop: Shop, kind: str) -> None:
        super().__init__(folder)
        self._shop, self._kind = shop, kind

    def append(self, case: Case, event: Any) -> Case:
        if event.kind == self._kind:
            self._kind = ""
            assert cases.cancel(self._shop.desk(), case.id, "stop it").state == "cancelled"
        return super().append(case, event)


def test_a_run_started_while_its_case_is_cancelled_does_not_run_on(shop: Shop) -> None:
    shop.declare("load", Outcome(never_ends=True))
    result = cases.heal(shop.desk(lambda folder: Crossed(folder, shop, "started")), shop.loaded)
    assert verdict(result) == "cancelled"
    assert shop.made() == Made(jobs=1, runs=1, repairs=0, cancelled=1)
    assert shop.kinds(result.case)[-1] == "cancelled"


def test_nothing_starts_once_its_case_is_cancelled(shop: Shop) -> None:
    def cancel() -> None:
        (summary,) = shop.desk().journal.cases()
        cases.cancel(shop.desk(), summary.case, "stop it")

    shop.told.at["requested start"] = cancel
    result = shop.heal()
    assert verdict(result) == "cancelled"
    assert shop.made().runs == 0


def test_undoing_a_heal_redeploys_what_was_there(shop: Shop) -> None:
    case = shop.heal().case
    assert shop.text("src/sales.py").strip() == MENDED.strip()
    said = cases.undo(shop.desk(), case.id)
    assert "put back on databricks what was deployed before the patch" in said
    assert shop.text("src/sales.py").strip() == NOTEBOOKS["src/sales.py"].strip()
    before = changes(shop)
    assert "nothing was changed" in cases.undo(shop.desk(), case.id)
    assert changes(shop) == before


@pytest.mark.slow
def test_undoing_a_heal_redeploys_the_former_settings(shop: Shop) -> None:
    error = "ModuleNotFoundError: No module named 'tabulate'"
    shop.declare("sales", Outcome(result="FAILED", error=error, error_trace=error), fine())
    case = shop.heal().case
    assert verdicts.of_case(case) == "healed"
    (job,) = shop.jobs()
    assert "tabulate" in str(job["settings"])
    cases.undo(shop.desk(), case.id)
    (job,) = shop.jobs()
    assert "tabulate" not in str(job["settings"])


@pytest.mark.parametrize("act", [files, slowly(settings)])
def test_undo_is_refused_where_somebody_changed_it_meanwhile(
    shop: Shop, act: Callable[[Shop], None]
) -> None:
    case = shop.heal().case
    act(shop)
    with pytest.raises(Refused, match="somebody else changed it meanwhile"):
        cases.undo(shop.desk(), case.id)
    assert shop.text("src/sales.py").strip() == MENDED.strip()


# What a run gets, and how it goes


def test_a_new_run_carries_the_failed_runs_resolved_parameters(shop: Shop) -> None:
    day = "{{job.start_time.iso_date}}"
    job = shop.job(parameters=[{"name": "day", "default": day}, {"name": "n", "default": "1"}])
    shop.write({"job.yaml": yaml.safe_dump(job)})
    shop.book(job={"file": "job.yaml", "parameters": {"n": "7"}}, limits={"wall_clock": "3d"})
    shop.declare("load", TRANSIENT, fine())
    shop.declare("sales", fine())
    began = shop.now().date().isoformat()
    shop.told.at["failed"] = lambda: shop.sim.clock.advance(30 * 3600)
    result = shop.heal()
    assert verdict(result) == "healthy"
    first, second = shop.runs()
    assert first["run_id"] != second["run_id"]
    sent = [c.body for c in shop.sim.calls if c.path.endswith("run-now")]
    assert isinstance(sent[1], dict)
    assert sent[1]["job_parameters"] == {"day": began, "n": "7"}
    started = [e.run for e in shop.events(result.case) if isinstance(e, Started)]
    assert [r.parameters for r in started] == [{"day": began, "n": "7"}] * 2


def test_a_run_gone_while_the_patch_waited_is_replaced_and_that_is_said(
    sim: Simulator, tmp_path: Path
) -> None:
    shop = new(sim, tmp_path, approve={"mode": "approve", "expires": "90d"})
    result = shop.heal()
    assert verdict(result) == "waiting"
    sim.clock.advance(70 * 86400)
    after = shop.approve(result.case)
    assert verdict(after) == "healed"
    (_, started) = [e.run for e in shop.events(after.case) if isinstance(e, Started)]
    assert "is gone: this one has the playbook's parameters" in started.note


def test_a_token_that_expires_in_mid_run_waits_for_a_login_and_goes_on(shop: Shop) -> None:
    shop.sim.faults.add("*/runs/get", "expired", after=3, times=None)
    result = shop.heal()
    assert verdict(result) == "unauthorized"
    assert verdicts.EXIT["unauthorized"] == 6
    assert result.pause is not None
    assert "make a new token in the workspace's settings" in result.pause.message
    assert verdict(shop.resume(result.case)) == "unauthorized"
    shop.sim.faults.clear()
    assert verdict(shop.heal()) == "healed"
    assert shop.made() == Made(jobs=1, runs=1, repairs=1, cancelled=0)


def run_only(shop: Shop) -> None:
    """Make the job by hand; the playbook only knows its id."""
    job = shop.job()
    for task in job["tasks"]:
        task["notebook_task"]["notebook_path"] = f"/Shared/{task['task_key']}"
    number = shop.ask("POST", "/api/2.2/jobs/create", job)["job_id"]
    shop.write({"job.yaml": "{}\n"})
    shop.book(job={"id": number})


def test_a_job_by_id_alone_is_diagnosed_and_not_mended(shop: Shop) -> None:
    run_only(shop)
    result = shop.heal()
    assert verdict(result) == "escalated"
    (found,) = [e for e in shop.events(result.case) if isinstance(e, Diagnosed)]
    assert found.diagnoses[0].entry == "schema.column-unresolved"
    assert shop.made() == Made(jobs=1, runs=1, repairs=0, cancelled=0)
    assert "import" not in changes(shop)
    assert result.case.deployment is not None
    assert "it can be diagnosed, run again" in " ".join(result.case.deployment.notes)


@pytest.mark.slow
def test_a_job_by_id_alone_is_repaired_after_a_transient_failure(shop: Shop) -> None:
    run_only(shop)
    shop.declare("sales", TRANSIENT, fine())
    result = shop.heal()
    assert verdict(result) == "healthy"
    assert shop.made() == Made(jobs=1, runs=1, repairs=1, cancelled=0)


def test_a_failed_run_of_a_job_by_id_alone_is_repaired(shop: Shop) -> None:
    run_only(shop)
    shop.declare("sales", TRANSIENT, fine())
    result = shop.heal(failed_run(shop))
    assert verdict(result) == "healthy"
    assert shop.made() == Made(jobs=1, runs=1, repairs=1, cancelled=0)


@pytest.mark.slow
def test_a_job_by_id_alone_is_cancelled(shop: Shop) -> None:
    run_only(shop)
    cancel_while(shop, "sales")
    shop.declare("sales", Outcome(never_ends=True))
    assert verdict(shop.heal()) == "cancelled"
    assert shop.made() == Made(jobs=1, runs=1, repairs=0, cancelled=1)


def continuous(shop: Shop) -> None:
    """Make a job that always runs, and ask that it runs well for an hour."""
    job = shop.job(continuous={"pause_status": "UNPAUSED"})
    job["tasks"] = job["tasks"][:1]
    shop.declare("load", Outcome(never_ends=True))
    shop.write({"job.yaml": yaml.safe_dump(job)})


def test_a_continuous_job_that_runs_well_is_a_success_and_runs_on(shop: Shop) -> None:
    continuous(shop)
    shop.book(poll={"running_for": "1h", "deadline": "3h"})
    began = shop.now()
    result = shop.heal()
    assert verdict(result) == "healthy"
    assert 3600 <= (shop.now() - began).total_seconds() < 3600 + 300
    shop.sim.clock.advance(3 * 3600)
    assert shop.made() == Made(jobs=1, runs=1, repairs=0, cancelled=0)
    assert [run["state"] for run in shop.runs()] == ["RUNNING"]


@pytest.mark.slow
def test_a_continuous_job_is_not_cancelled_at_its_deadline(shop: Shop) -> None:
    continuous(shop)
    shop.book(poll={"running_for": "5h", "deadline": "1h"})
    result = shop.heal()
    assert verdict(result) == "exhausted"
    assert "it is left running" in reason(result)
    assert [run["state"] for run in shop.runs()] == ["RUNNING"]


def test_another_run_is_cancelled_at_its_deadline(shop: Shop) -> None:
    shop.declare("sales", Outcome(never_ends=True))
    shop.book(poll={"deadline": "1h"})
    result = shop.heal()
    assert verdict(result) == "exhausted"
    assert shop.made() == Made(jobs=1, runs=1, repairs=0, cancelled=1)


def test_a_run_behind_somebody_elses_is_queued_and_then_runs(shop: Shop) -> None:
    job = shop.job(queue={"enabled": True})
    shop.write({"job.yaml": yaml.safe_dump(job)})
    healthy(shop)
    shop.declare("sales", fine())
    theirs = shop.run_now()
    result = shop.heal()
    assert verdict(result) == "healthy"
    notes = [note for status in shop.told.polls for note in status.notes]
    assert any("queued: Queued due to reaching maximum concurrent runs" in n for n in notes)
    assert shop.runs()[1]["run_id"] == theirs
    assert shop.made().runs == 3


def test_a_run_that_is_skipped_for_somebody_elses_is_no_success(shop: Shop) -> None:
    job = shop.job(queue={"enabled": False})
    shop.write({"job.yaml": yaml.safe_dump(job)})
    healthy(shop)
    shop.declare("sales", fine())
    shop.run_now()
    shop.declare("report", Outcome(seconds=20_000))
    result = shop.heal()
    (found, *_) = [e for e in shop.events(result.case) if isinstance(e, Diagnosed)]
    assert found.diagnoses[0].category == "concurrency"
    assert verdict(result) in ("escalated", "held")


def test_every_call_is_counted_in_the_story(shop: Shop) -> None:
    result = shop.heal()
    probes = [c for c in shop.sim.calls if c.path.startswith("/.well-known")]
    sent = len(shop.sim.calls) - len(probes)
    assert result.case.api_calls == sent
    assert f"{sent} API calls" in report.text(report.tell(shop.events(result.case)))


@pytest.mark.slow
def test_a_misspelt_column_is_not_named_healed_where_the_task_fails_the_same_way(
    shop: Shop,
) -> None:
    shop.declare("sales", bad_column())
    result = shop.heal()
    assert verdict(result) == "escalated"
    assert "no progress" in reason(result)
    assert MISSPELT in result.case.failures[0].message
    assert_put_back(shop, result.case)

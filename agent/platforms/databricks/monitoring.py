"""A deployment of quality monitors and alerts as a job: `monitors`, `alerts` and `genie` are tasks.

Each item is applied by itself, so that one that is refused costs only itself: a task of which some
items failed ends green and says so in its exit value, as a job that is made to be watched does. A
repair applies again what failed or has changed, and nothing else.

Rules kept here: nothing is deleted without a person; deploying checks the declaration and remembers
what we apply, value by value, the run applies it; deploying a tree of this case again, over a later
one, puts back what the later one changed.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.document import Problem
from agent.engine.values import as_text
from agent.errors import UsageError
from agent.platforms.databricks import (
    checks,
    compute,
    monitoring_drift,
    monitoring_failures,
    monitoring_runs,
    requirements,
)
from agent.platforms.databricks.definitions import leaves
from agent.platforms.databricks.monitoring_failures import Scene
from agent.platforms.databricks.monitoring_file import Declared, Item, read
from agent.platforms.databricks.monitoring_runs import State
from agent.platforms.databricks.monitoring_steps import Step, begin
from agent.platforms.databricks.questions import Questions
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Statements
from agent.playbook import Expectation, Requirement
from agent.records import (
    Check,
    Deployment,
    Effect,
    Failure,
    Repair,
    Run,
    RunStatus,
    TaskKey,
    TaskSource,
    Tree,
)

_DEPLOYED = "monitoring-deployed"
_KEYS = "monitoring-keys"


class Monitoring:
    """One case's connection; the whole platform protocol."""

    repairs_whole = False

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        """Connect; `now` gives seconds since the epoch. Nothing is sent yet."""
        self._session = session
        self._now = now
        self._file = session.book.job.file or ""
        self._statements = Statements(session)
        self._questions = Questions(session, self._statements)
        self._counted = 0

    def data(self, source: Path) -> tuple[str, ...]:
        """Return nothing: no folder of the source is data."""
        del source
        return ()

    def is_production(self, source: Path) -> bool:
        """Return False: the file does not say, the playbook's `production` does."""
        del source
        return False

    def required(self, wanted: Sequence[Requirement], tree: Tree) -> tuple[Check, ...]:
        """Look at what the playbook requires."""
        del tree
        return requirements.required(self._session, wanted, self._statements)

    def _declared(self, tree: Tree) -> Declared | tuple[Problem, ...]:
        book = self._session.book
        found = read(Path(tree.root), self._file, book.job.parameters, book.databricks.warehouse)
        return self._named(found) if isinstance(found, Declared) else found

    def _named(self, found: Declared) -> Declared | tuple[Problem, ...]:
        """Put ids in the place of warehouses' names."""
        ids: dict[str, str | compute.Problem] = {}
        items: list[Item] = []
        problems: list[Problem] = []
        for item in found.items:
            name = item.wanted.get("warehouse_id")
            if not isinstance(name, str):
                items.append(item)
                continue
            if name not in ids:
                there = compute.warehouse(self._session, name)
                ids[name] = there.id if isinstance(there, compute.Compute) else there
            known = ids[name]
            if isinstance(known, compute.Problem):
                problems.append(Problem(item.line, f"{item.name}: {known.why}"))
            else:
                items.append(item._replace(wanted=item.wanted | {"warehouse_id": known}))
        return tuple(problems) or found._replace(items=tuple(items))

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what somebody else changed and would be overwritten, and what would be made anew."""
        declared = self._declared(tree)
        if not isinstance(declared, Declared):
            return ()
        return tuple(monitoring_drift.effects(self._session, declared, previous, self._file))

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Check the file and remember what will be applied; nothing is changed by a new tree.

        A tree that this case deployed before, over a later one, is put back at once.
        """
        if (kept := self._session.kept(_KEYS, key)) is not None:
            return Deployment.model_validate(kept)
        declared = self._declared(tree)
        if not isinstance(declared, Declared):
            return monitoring_failures.invalid(self._file, declared, tree)
        notes = self._left_out(declared, previous)
        before = self._session.kept(_DEPLOYED, tree.digest)
        if before is not None and previous is not None and previous.tree != tree.digest:
            notes += monitoring_drift.put_back(self._session, tree.digest)
        made = self._deployment(declared, tree, notes)
        anew = monitoring_drift.anew(self._session, declared)
        self._session.keep(_DEPLOYED, tree.digest, {"anew": list(anew)})
        self._session.keep(_KEYS, key, made.model_dump(mode="json"))
        return made

    def _deployment(self, declared: Declared, tree: Tree, notes: tuple[str, ...]) -> Deployment:
        files = monitoring_drift.remembered(declared)
        ((_, settings),) = leaves([[k, v] for k, v in sorted(files.items())])
        return Deployment(
            job=f"{self._session.book.name}/{self._file}",
            name=self._session.book.name,
            tree=tree.digest,
            settings=settings,
            url=self._session.api.auth.host,
            tasks=declared.tasks,
            notes=notes,
            files=files,
            kept=True,
        )

    def _left_out(self, declared: Declared, previous: Deployment | None) -> tuple[str, ...]:
        """Say what we applied once and the file no longer has: it stays as it is."""
        if previous is None:
            return ()
        now = {item.key for item in declared.items}
        gone = {key.partition("#")[0] for key in previous.files} - now
        return tuple(
            f"{key} is no longer in {self._file}: it is left as it is" for key in sorted(gone)
        )

    def start(
        self, key: str, deployment: Deployment, tree: Tree, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Begin to apply the items; those a repair need not touch are carried over."""
        state = monitoring_runs.load(self._session, key)
        if state is None:
            declared = self._declared(tree)
            if not isinstance(declared, Declared):
                return monitoring_failures.invalid(self._file, declared, tree)
            state = self._state(key, deployment, declared, repair)
            monitoring_runs.begin(self._session, state)
        return Run(
            run=key,
            key=key,
            url=self._session.api.auth.host,
            repairs=state.repairs,
            parameters=state.parameters,
        )

    def _state(
        self, key: str, deployment: Deployment, declared: Declared, repair: Repair | None
    ) -> State:
        whole = repair is None or not repair.tasks
        former = (
            None if whole or repair is None else monitoring_runs.load(self._session, repair.run)
        )
        kept = self._session.kept(_DEPLOYED, deployment.tree) or {}
        steps = tuple(self._step(item, former, kept.get("anew") or ()) for item in declared.items)
        given = self._session.book.job.parameters
        state = State(
            run=key,
            tree=deployment.tree,
            file=declared.file,
            parameters={name: as_text(value) for name, value in given.items()},
            repairs=None if former is None else former.run,
            begun=self._now(),
            lines=declared.lines,
            steps=steps,
        )
        if monitoring_runs.called_off(self._session, key):
            off = tuple(s.to(state="cancelled") for s in steps)
            return state.model_copy(update={"steps": off, "ended": self._now()})
        return state

    def _step(self, item: Item, former: State | None, anew: Sequence[str]) -> Step:
        fresh = begin(item, item.key in anew)
        for step in () if former is None else former.steps:
            same = step.wanted == fresh.wanted and step.refresh == fresh.refresh
            if step.key == item.key and step.state == "good" and same:
                return step.to(line=item.line, carried=True, intent=None, before=None)
        return fresh

    def adopt(self, run: str, tree: Tree) -> tuple[Deployment, Run]:
        """Raise `UsageError`: the service keeps no runs of monitors and alerts."""
        del tree
        raise UsageError(
            f"{run} cannot be taken over: monitors and alerts have no runs that somebody else "
            "starts; leave out --run and they are looked at and applied"
        )

    def overtaken(self, run: Run, deployment: Deployment) -> str | None:
        """Return nothing: what somebody else changed about an item, `plan` says."""
        del run, deployment
        return None

    def poll(self, runs: Sequence[str]) -> tuple[RunStatus, ...]:
        """Carry each run on as far as it goes now, and say how it is doing."""
        return tuple(self._poll(run) for run in runs)

    def _poll(self, run: str) -> RunStatus:
        state = monitoring_runs.carry_on(self._session, self._statements, run)
        return monitoring_runs.status(self._session, run, state)

    def _scene(self, run: str, tree: Tree) -> Scene:
        state = monitoring_runs.load(self._session, run)
        return Scene(self._session, self._questions, run, state, tree, self._file)

    def failures(self, status: RunStatus, tree: Tree) -> tuple[Failure, ...]:
        """Return a failure per item that failed, with what the service said of it."""
        if status.state == "succeeded":
            return ()
        return monitoring_failures.of(self._scene(status.run, tree), status)

    def observed(self, status: RunStatus, tree: Tree, task: TaskKey) -> Failure:
        """Return what a task left behind."""
        return monitoring_failures.observed(self._scene(status.run, tree), task)

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the tasks; the file is the source of each."""
        declared = self._declared(tree)
        if not isinstance(declared, Declared):
            return ()
        text = (Path(tree.root) / self._file).read_text(encoding="utf-8-sig")
        return tuple(
            TaskSource(
                task=task,
                type=task,
                path=self._file,
                text=text,
                depends_on=monitoring_runs.needs(task, declared.tasks),
                parameters=tuple(self._session.book.job.parameters),
            )
            for task in declared.tasks
        )

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks of which an item differs between the trees."""
        then, now = self._declared(before), self._declared(after)
        if not isinstance(now, Declared):
            return ()
        if not isinstance(then, Declared):
            return now.tasks
        return tuple(task for task in now.tasks if _plain(then, task) != _plain(now, task))

    def verify(
        self, status: RunStatus, tree: Tree, checks_: Sequence[Expectation]
    ) -> tuple[Check, ...]:
        """Look at tables, files and SQL assertions."""
        del status, tree
        return checks.verify(self._session, checks_, self._statements)

    def cancel(self, key: str, run: str) -> RunStatus:
        """Do nothing more by this run; what was applied stays."""
        del key  # stopping twice is stopping once
        monitoring_runs.call_off(self._session, run, self._now())
        return monitoring_runs.status(self._session, run, monitoring_runs.load(self._session, run))

    def close(self, proved: bool) -> tuple[str, ...]:
        """Stop the warehouse if we started it."""
        del proved  # nothing waits for the proof
        return compute.close(self._session, self._now)

    def calls(self) -> int:
        """Return the API calls since this was asked last."""
        made = self._session.api.calls
        self._counted, since = made, made - self._counted
        return since


def _plain(declared: Declared, task: str) -> list[Item]:
    """Return a task's items without their lines: moving them changes nothing."""
    return [item._replace(line=0) for item in declared.of(task)]

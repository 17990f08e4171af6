"""The embedded default: jobs run as real processes on this machine, from a job file of the source.

There is nothing to deploy to: a deployment is a job file that was read and found right, the data
folders linked into the tree, and the environments made. A run is a folder and a detached process
(see `agent.engine.runs`); its id is the key it was asked for with.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from agent.engine import commands, facts, outcomes, problems, request, runs, sources, values
from agent.engine.job import Job, parameters_of
from agent.engine.problems import Problem
from agent.engine.request import Request
from agent.errors import Unavailable, UsageError
from agent.platforms import Context
from agent.playbook import Expectation, Requirement
from agent.records import (
    Check,
    Deployment,
    Effect,
    Facts,
    Failure,
    Line,
    Location,
    Repair,
    Run,
    RunStatus,
    TaskKey,
    TaskSource,
    Tree,
)

_LINES = 400


def _parameters(asked: Request) -> dict[str, str]:
    """Return the job parameters a run was started with."""
    prefix = "job.parameters."
    return {k.removeprefix(prefix): v for k, v in asked.known.items() if k.startswith(prefix)}


def connect(context: Context) -> "Local":
    """Return the platform for one case."""
    return Local(context)


class Local:
    """One case's runs on this machine."""

    repairs_whole = False

    def __init__(self, context: Context) -> None:
        self._context = context
        playbook = context.loaded.playbook
        self._file = playbook.job.file or "job.yaml"
        self._given = playbook.job.parameters
        self._source = context.loaded.source

    def data(self, source: Path) -> tuple[str, ...]:
        """Return the job file's `data` folders that are folders of the source, not links out."""
        from agent import document

        text = sources.read(source, self._file)
        try:
            listed = None if text is None else document.parse(text).data.get("data")
        except document.Unreadable:
            listed = None
        folders = [f for f in listed if isinstance(f, str)] if isinstance(listed, list) else []
        return tuple(dict.fromkeys(f.rstrip("/") for f in folders if self._is_data(source, f)))

    def _is_data(self, source: Path, folder: str) -> bool:
        inside = problems.inside(folder) and folder.strip("./") != ""
        top = source.resolve()
        place = (source / folder).resolve()
        return inside and place.is_dir() and place != top and place.is_relative_to(top)

    def _link(self, tree: Tree) -> None:
        """Link the data folders into the tree, where they are not yet."""
        for folder in self.data(self._source):
            place = Path(tree.root) / folder
            if not place.exists() and not place.is_symlink():
                place.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    place.symlink_to((self._source / folder).resolve(), target_is_directory=True)

    def _job(self, tree: Tree) -> Job | tuple[Problem, ...]:
        self._link(tree)
        return problems.read(Path(tree.root), self._file, self._given)

    def is_production(self, source: Path) -> bool:
        """Return False: a job file says nothing of production."""
        del source
        return False

    def required(self, wanted: Sequence[Requirement], tree: Tree) -> tuple[Check, ...]:
        """Look at tables of the job's database and at files; there is nothing else here."""
        return tuple(self._required(requirement, tree) for requirement in wanted)

    def _required(self, wanted: Requirement, tree: Tree) -> Check:
        kind, name = wanted.what
        if kind not in ("table", "file"):
            saw = "platform local has tables and files only"
            return Check(name=f"{kind} {name}", outcome="unknown", saw=saw)
        expected = Expectation(table=wanted.table, file=wanted.file, rows=wanted.rows)
        return self.verify(RunStatus(run="", state="succeeded"), tree, (expected,))[0]

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Return nothing: a deployment is a private copy that nobody else knows."""
        del tree, previous
        return ()

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Read the job file, link the data, make the environments."""
        del previous  # a tree is a job; there is nothing of an earlier one to update
        job = self._job(tree)
        if not isinstance(job, Job):
            return (self._invalid(tree, job),)
        if (problem := commands.missing_dbt(job)) is not None:
            return (self._invalid(tree, (problem,)),)
        made = commands.prepare(job, Path(tree.root), self._context.cache)
        if isinstance(made, commands.Unprepared):
            return (self._unprepared(job, tree, made),)
        kept = self._context.folder / "deployments" / f"{key}.json"
        if (before := request.read(kept)) is not None:
            return Deployment.model_validate(before)
        deployment = Deployment(
            job=self._job_id(),
            name=job.name,
            tree=tree.digest,
            settings=hashlib.sha256(job.dump().encode()).hexdigest(),
            tasks=tuple(task.task_key for task in job.ordered()),
            notes=(*made.notes, *self._database_note(job)),
        )
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        request.save(kept, deployment.model_dump(mode="json"), durable=True)
        return deployment

    def _job_id(self) -> str:
        return f"{self._context.loaded.playbook.name}/{self._file}"

    def _database_note(self, job: Job) -> tuple[str, ...]:
        where = job.database
        if where is None or any(where.startswith(f"{d.rstrip('/')}/") for d in job.data):
            return ()
        return (f"database {where} lies outside the data folders: each redeploy starts it afresh",)

    def _facts(
        self,
        tree: Tree,
        job: Job | None,
        task: str | None,
        parameters: dict[str, str] | None = None,
    ) -> Facts:
        if parameters is None:
            parameters = {name: values.as_text(value) for name, value in self._given.items()}
            parameters = parameters_of(job, self._given) if job else parameters
        if job is not None and task in {t.task_key for t in job.tasks}:
            return facts.of(job, tree, self._file, str(task), parameters)
        return Facts(
            files=facts.files(tree, self.data(self._source)),
            job_file=self._file,
            parameters=parameters,
        )

    def _invalid(self, tree: Tree, found: tuple[Problem, ...]) -> Failure:
        first = found[0]
        lines = [outcomes.clean(f"{self._file}:{p.line}: {p.message}") for p in found]
        return Failure(
            phase="create",
            code="JOB_INVALID",
            message=lines[0],
            task=first.task,
            log=tuple(
                Line(source=self._file, number=p.line, text=text)
                for p, text in zip(found, lines, strict=True)
            ),
            location=Location(path=self._file, line=first.line or None),
            facts=self._facts(tree, None, None),
            started=False,
        )

    def _unprepared(self, job: Job, tree: Tree, found: commands.Unprepared) -> Failure:
        output = outcomes.clean_lines(found.failed.output)
        log = [Line(source="environment", number=n, text=t) for n, t in enumerate(output, 1)]
        return Failure(
            phase="create",
            code="ENVIRONMENT_FAILED",
            message=outcomes.clean(found.failed.message),
            task=found.task,
            log=tuple(log[-_LINES:]),
            location=Location(path=self._file),
            facts=self._facts(tree, job, found.task),
            started=False,
        )

    def start(
        self, key: str, deployment: Deployment, tree: Tree, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Start a detached run, or attach to the one this key has."""
        folder = self._folder(key)
        if (asked := request.load(folder)) is not None:
            self._link(tree)
            return self._started(asked, runs.start(folder, asked, self._env(asked)))
        job = self._job(tree)
        if not isinstance(job, Job):
            return (self._invalid(tree, job),)
        made = commands.prepare(job, Path(tree.root), self._context.cache)
        if isinstance(made, commands.Unprepared):
            return (self._unprepared(job, tree, made),)
        parameters = parameters_of(job, self._given)
        known = commands.known_values(job, key, parameters, deployment.job)
        before = self._repaired(repair)
        if before is not None:
            known |= before.known
        wanted = commands.request(job, key, Path(tree.root), known, made.pythons)
        wanted = wanted._replace(pass_env=job.pass_env)
        if repair is not None and repair.tasks and before is not None:
            wanted = self._carry(wanted, repair)
        return self._started(wanted, runs.start(folder, wanted, self._env(wanted)))

    def adopt(self, run: str, tree: Tree) -> tuple[Deployment, Run]:
        """Raise `UsageError`: runs on this machine belong to their cases."""
        del tree
        raise UsageError(
            f"{run!r}: a local run belongs to its case and cannot be taken over by another; "
            "go on with that case: runmend cases, then runmend resume CASE"
        )

    def overtaken(self, run: Run, deployment: Deployment) -> str | None:
        """Return None: nobody else knows the runs of a case."""
        del run, deployment
        return None

    def _env(self, wanted: Request) -> dict[str, str]:
        return runs.environment(wanted.pass_env, os.environ)

    def _started(self, wanted: Request, asked: Request) -> Run:
        return Run(
            run=asked.run,
            key=wanted.run,
            url=str(self._folder(asked.run)),
            repairs=asked.repairs,
            parameters=_parameters(asked),
        )

    def _folder(self, run: str) -> Path:
        if not run or "/" in run or run.startswith("."):
            raise Unavailable(f"{run!r} is no run of this case")
        return self._context.folder / "runs" / run

    def _repaired(self, repair: Repair | None) -> Request | None:
        """Return the request of the run to repair or replace.

        Raises `Unavailable` while that run lives.
        """
        if repair is None:
            return None
        if runs.look(self._folder(repair.run)).state == "running":
            raise Unavailable(f"run {repair.run} still runs: it cannot be repaired yet")
        return request.load(self._folder(repair.run))

    def _carry(self, wanted: Request, repair: Repair) -> Request:
        """Keep what the tasks did that are not run again."""
        before = self._folder(repair.run)
        seen = runs.look(before)
        carried = {}
        for spec in wanted.tasks:
            state = seen.tasks.get(spec.task)
            if state is None or spec.task in repair.tasks:
                continue
            place = state.get("folder") or str(outcomes.folder(before, spec.task, state))
            carried[spec.task] = {k: v for k, v in state.items() if k != "group"}
            carried[spec.task]["folder"] = place
        values = {task: found for task, found in seen.values.items() if task in carried}
        return wanted._replace(carried=carried, values=values, repairs=repair.run)

    def poll(self, runs_: Sequence[str]) -> tuple[RunStatus, ...]:
        """Read the runs' folders."""
        return tuple(self._status(run) for run in runs_)

    def _status(self, run: str) -> RunStatus:
        folder = self._folder(run)
        return outcomes.status(folder, runs.look(folder), time.time())

    def failures(self, status: RunStatus, tree: Tree) -> tuple[Failure, ...]:
        """Return what each failed task left behind, with the facts around it."""
        if status.state in ("running", "succeeded"):
            return ()
        folder = self._folder(status.run)
        seen, asked = runs.look(folder), request.load(folder)
        job = self._job(tree)
        parameters = _parameters(asked) if asked else None
        root = Path(asked.root) if asked else Path(tree.root)
        found = []
        for key in outcomes.failed_tasks(seen):
            around = self._facts(tree, job if isinstance(job, Job) else None, key, parameters)
            failed = outcomes.failure(folder, root, key, seen)
            found.append(failed.model_copy(update={"facts": around}))
        return tuple(found) or (outcomes.nothing_failed(status.run, seen),)

    def observed(self, status: RunStatus, tree: Tree, task: TaskKey) -> Failure:
        """Return what a task left behind as `VERIFY_FAILED`, with the facts around it."""
        folder = self._folder(status.run)
        seen, asked = runs.look(folder), request.load(folder)
        job = self._job(tree)
        parameters = _parameters(asked) if asked else None
        root = Path(asked.root) if asked else Path(tree.root)
        around = self._facts(tree, job if isinstance(job, Job) else None, task, parameters)
        found = outcomes.failure(folder, root, task, seen)
        changes = {"phase": "verify", "code": "VERIFY_FAILED", "facts": around, "started": True}
        return found.model_copy(update=changes)

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks with their files."""
        job = self._job(tree)
        return sources.of(job, Path(tree.root)) if isinstance(job, Job) else ()

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks that a change between the trees concerns; all where one has no job."""
        then, now = self._job(before), self._job(after)
        if not isinstance(now, Job):
            return ()
        if not isinstance(then, Job):
            return tuple(task.task_key for task in now.ordered())
        return sources.affected((then, Path(before.root)), (now, Path(after.root)))

    def verify(
        self, status: RunStatus, tree: Tree, checks: Sequence[Expectation]
    ) -> tuple[Check, ...]:
        """Look at tables and SQL in the job's database, and at files of the tree."""
        from agent.engine import checks as looking

        del status  # what is there counts, whichever run made it
        job = self._job(tree)
        root = Path(tree.root)
        named = job.database if isinstance(job, Job) else None
        database = root / named if named else None
        return tuple(looking.look(root, database, wanted) for wanted in checks)

    def cancel(self, key: str, run: str) -> RunStatus:
        """Stop the run's processes, all of them; the same again finds it ended."""
        del key  # stopping twice is stopping once
        folder = self._folder(run)
        return outcomes.status(folder, runs.cancel(folder), time.time())

    def close(self, proved: bool) -> tuple[str, ...]:
        """Return nothing: nothing of ours runs besides runs."""
        del proved
        return ()

    def calls(self) -> int:
        """Return 0: there is no API."""
        return 0

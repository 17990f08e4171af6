"""One throw-away job for all questions of a look: made, run on the named cluster, deleted again.

Rules kept here: every step is on the disk before it is taken, so that a crash makes no second job
and no second run; nothing waits, `Unavailable` says how far it is; the job and its notebook go
whatever came out, after a crash by `close`. In mode approve nobody is asked for it: it is no part
of the user's job, reads only, and changes nothing but its own folder (`.runmend-checks`); its
bodies are kept as payloads all the same.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from agent.errors import Unavailable
from agent.platforms.aidp import clusters, looking, messages, nesting, outputs, runs, states
from agent.platforms.aidp.api import Api, ApiRefused, Conflict, Forbidden, NotFound
from agent.platforms.aidp.clusters import Cluster
from agent.platforms.aidp.files import Files, Unlike
from agent.platforms.aidp.looking import Answer, NoAnswer, Question
from agent.platforms.aidp.outputs import Output
from agent.platforms.aidp.session import Session
from agent.platforms.aidp.starting import token
from agent.remote import texts

UNSAID = "set aidp.cluster in the playbook to a cluster's display name"
MARK = "checks of runmend, made by it and deleted by it"
_RECORDS = ("checks", "jobs")
_FOLDER = ".runmend-checks"
_TASK = "look"
_SOON_S, _LATER_S, _EARLY_S = 5.0, 20.0, 60.0
_LIMIT_S = 3600.0
"""So long a look may take."""

Record = dict[str, Any]
Answers = dict[int, Answer | NoAnswer]


class Throwaway:
    """The looks of one case."""

    def __init__(self, session: Session, now: Callable[[], float]) -> None:
        """`now` returns seconds since the epoch."""
        self._session = session
        self._api: Api = session.api
        self._now = now

    def ask(self, questions: Sequence[Question], root: str) -> tuple[Answer | NoAnswer, ...]:
        """Return the answers in the order of the questions; the next call looks afresh.

        `root`: workspace folder in which the notebook's own folder is made. Raises `Unavailable`
        until the answers are there; the same questions go on where they were.
        """
        identity = looking.digest(questions)
        record = self._records().get(identity)
        try:
            if record is None:
                cluster = self._cluster()
                if isinstance(cluster, NoAnswer):
                    return (cluster,) * len(questions)
                record = self._begun(identity, root, cluster)
            found = self._driven(identity, record, questions)
        except (ApiRefused, Forbidden, Unlike) as error:
            found = dict.fromkeys(range(len(questions)), NoAnswer(f"it cannot be asked: {error}"))
        if record is not None:
            with contextlib.suppress(ApiRefused, Forbidden):  # `close` tries again, and says it
                self._removed(identity, record)
        lost = NoAnswer("the service kept no answer of the look on the cluster")
        return tuple(found.get(n, lost) for n in range(len(questions)))

    def close(self) -> tuple[str, ...]:
        """Delete what a crash left behind, and say what could not be deleted."""
        said = []
        for identity, record in self._records().items():
            try:
                self._removed(identity, record)
            except (ApiRefused, Forbidden) as error:
                said.append(f"job {record['name']}, a look of ours, is left over: {error}")
        return tuple(said)

    def _cluster(self) -> Cluster | NoAnswer:
        """Return the cluster to ask, ACTIVE. Raises `Unavailable` while it starts."""
        wanted = self._session.aidp.cluster
        if wanted is None:
            return NoAnswer(f"no cluster is named: {UNSAID}")
        found = clusters.running(self._session, wanted)
        return found if isinstance(found, Cluster) else NoAnswer(texts.sentence(found.why))

    def _begun(self, identity: str, root: str, cluster: Cluster) -> Record:
        at = self._now()
        name = f"runmend_checks_{token(self._case, identity, str(at))[-12:]}"
        record = {
            "at": at,
            "name": f"{name}.job",
            "notebook": f"{root.rstrip('/')}/{_FOLDER}/{name}.ipynb",
            "cluster": {"clusterKey": cluster.key, "clusterName": cluster.name},
        }
        self._keep(identity, record)
        return record

    def _driven(self, identity: str, record: Record, questions: Sequence[Question]) -> Answers:
        if record.get("ready") is None:
            Files(self._session).put(record["notebook"], looking.notebook(questions))
            self._made(identity, record)
        run = self._run(identity, record)
        took = self._now() - record["at"]
        if not states.ended(run) and took <= _LIMIT_S:
            raise Unavailable(
                f"run {run['key']} looks at tables, it is {states.status(run) or 'starting'}",
                retry_after_s=_SOON_S if took < _EARLY_S else _LATER_S,
                works=True,
            )
        return self._read(record, run, len(questions))

    def _made(self, identity: str, record: Record) -> None:
        """Make the job in the two steps that every build takes, or find the one we made."""
        head = {
            "name": record["name"],
            "path": self._session.aidp.path,
            "maxConcurrentRuns": 1,
            "description": MARK,
        }
        if record.get("job") is None:
            found = self._found(record) if record.get("asked") else None
            record["asked"] = True
            self._keep(identity, record)
            record["job"] = found or self._created(record, head)
            self._keep(identity, record)
        task = {
            "type": "NOTEBOOK_TASK",
            "taskKey": _TASK,
            "runIf": "ALL_SUCCESS",
            "dependsOn": [],
            "maxRetries": 0,
            "source": "WORKSPACE",
            "notebookPath": record["notebook"],
            "cluster": record["cluster"],
        }
        body = {**head, "jobClusters": [record["cluster"]], "tasks": [task]}
        self._api.send("PUT", f"/jobs/{_quoted(record['job'])}", body, what="update-job-checks")
        record["ready"] = True
        self._keep(identity, record)

    def _created(self, record: Record, head: dict[str, Any]) -> str:
        try:
            given = self._token(record, "job")
            answer = self._api.send("POST", "/jobs", head, what="create-job-checks", token=given)
        except Conflict:
            if (found := self._found(record)) is None:
                raise
            return found
        key = answer.body.get("key") or self._found(record)
        if not key:
            raise Unavailable("the service took the job, but its answer names none; looking for it")
        return str(key)

    def _found(self, record: Record) -> str | None:
        """Return the key of the job that an earlier request made, by its name, which is ours."""
        listed = self._api.pages("/jobs", displayName=record["name"])
        fits = (job for job in listed if job.get("name") == record["name"])
        return next((str(job["key"]) for job in fits if job.get("key")), None)

    def _run(self, identity: str, record: Record) -> dict[str, Any]:
        """Return the job's one run; start it where there is none."""
        if record.get("run") is None:
            listed = runs.listed(self._api, record["job"], cap=1) if record.get("started") else ()
            record["started"] = True
            self._keep(identity, record)
            record["run"] = next((str(run["key"]) for run in listed), None) or self._start(record)
            self._keep(identity, record)
        return runs.get(self._api, record["run"])

    def _start(self, record: Record) -> str:
        body, given = {"jobKey": record["job"]}, self._token(record, "run")
        answer = self._api.send("POST", "/jobRuns", body, what="run-job-checks", token=given)
        if not answer.body.get("key"):
            raise Unavailable("the service took the run, but its answer names none; looking for it")
        return str(answer.body["key"])

    def _read(self, record: Record, run: dict[str, Any], count: int) -> Answers:
        """Return what the run answered; for what it did not, why it did not."""
        attempt = nesting.current(self._api, run).get(_TASK) or {}
        task_run, output = attempt, Output()
        if attempt.get("key"):
            task_run = self._api.get(f"/taskRuns/{_quoted(attempt['key'])}")
            task = {"task": {"type": "NOTEBOOK_TASK"}, **task_run}
            output = outputs.fetch(self._api, task)
        found = looking.answers(list(outputs.marked(output.stdout)), count)
        ended = states.status(run)
        if ended != "SUCCESS":
            why = f"the look on cluster {record['cluster']['clusterName']} {_how(run)}"
            told = _why(task_run, run, output)
            why = f"{why}: {told}" if told else why
        else:
            missing = f" ({output.missing[0]})" if output.missing else ""
            why = f"the service kept no output of the look on the cluster{missing}"
        return {**dict.fromkeys(range(count), NoAnswer(texts.sentence(why))), **found}

    def _removed(self, identity: str, record: Record) -> None:
        """Delete run, job and notebook. Raises `Unavailable` while the run is being stopped."""
        job = record.get("job") or (self._found(record) if record.get("asked") else None)
        if job is not None:
            for run in self._active(str(job)):
                self._cancel(run)
            with contextlib.suppress(NotFound):
                self._api.send("DELETE", f"/jobs/{_quoted(job)}", what="delete-job-checks")
        Files(self._session).remove([record["notebook"]])
        self._keep(identity, None)

    def _active(self, job: str) -> Iterator[str]:
        for run in runs.listed(self._api, job, cap=runs.PAGE):
            if not states.ended(run) and run.get("key"):
                yield str(run["key"])

    def _cancel(self, run: str) -> None:
        path = f"/jobRuns/{_quoted(run)}/actions/cancel"
        try:
            self._api.send("POST", path, what="cancel-run-checks")
        except (Conflict, NotFound):
            return
        if not states.ended(runs.get(self._api, run)):
            raise Unavailable(f"run {run}, a look of ours, is being cancelled", works=True)

    @property
    def _case(self) -> str:
        return self._session.context.folder.name

    def _token(self, record: Record, what: str) -> str:
        return token(self._case, record["name"], what)

    def _records(self) -> dict[str, Record]:
        return self._session.kept(*_RECORDS) or {}

    def _keep(self, identity: str, record: Record | None) -> None:
        others = {k: v for k, v in self._records().items() if k != identity}
        new = others if record is None else {**others, identity: record}
        self._session.keep(*_RECORDS, new)


def _how(run: dict[str, Any]) -> str:
    word = states.status(run)
    return f"ended as {word}" if states.ended(run) else f"has not ended, it is {word}"


def _why(task_run: dict[str, Any], run: dict[str, Any], output: Output) -> str:
    cell = output.notebook.failed if output.notebook is not None else None
    raised = cell.raised.words if cell is not None and cell.raised is not None else ""
    state = states.message(task_run) or states.message(run)
    trace = states.trace(task_run) or output.error_trace
    return messages.best(raised, trace, messages.telling(state))


def _quoted(key: Any) -> str:
    return quote(str(key), safe="")

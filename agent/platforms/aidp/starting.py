"""Starting runs: each once, whatever is lost on the way.

Rules kept here: before the service is asked, what it is asked for lies on the disk under the key,
with the runs and repairs that were there; each request carries a retry token made from the key,
which holds for a day. Where its outcome is not known it is looked for first: one run by us, made
since, with the same parameters, is the one; none, and the same request is sent again with its
token, after a day with a new one; several, and a person must say. A run that the service skipped
because another was active is none: the other is waited for. A repair that runs the job as it was
before a fix is stopped, and a new run takes its place.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from agent.errors import Held, Unavailable
from agent.platforms.aidp import asking, overtaking, parameters, runs, seeking, states
from agent.platforms.aidp.api import ApiRefused, NotFound
from agent.platforms.aidp.asking import Record
from agent.platforms.aidp.seeking import Seeking
from agent.platforms.aidp.session import Session
from agent.platforms.aidp.writing import ended
from agent.records import Deployment, Failure, Repair, Run

TOKEN_S = 86_400.0
"""How long the service knows a retry token, seconds."""
_STARTS, _OURS, _DEFINED = "starts", "repairs", "defined"
_AGAIN_S = 20.0
_ACTIVE = re.compile(
    r"\b(?:still active|is active|still running|not (?:yet )?(?:in a )?termina)", re.I
)


class Starting:
    """The starts of one case."""

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        self._session = session
        self._api = session.api
        self._seeking = Seeking(session)
        self._now = now

    def start(
        self, key: str, deployment: Deployment, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Start a run or a repair, or return the one this key has.

        Raises `Unavailable` while another run must end first, `Held` where a task of the run to
        replace may write for good, somebody else repairs it, or the key's start was called off.
        """
        record = self.record(key)
        if record is not None and record.get("called_off"):
            raise Held(f"the start {key} was called off; nothing is started by it")
        try:
            wanted = record or self._wanted(deployment, repair)
            if isinstance(wanted, Failure):
                return (wanted,)
            if record is None:
                self._keep(key, wanted)
            return self._carried_on(key, wanted)
        except ApiRefused as error:  # of a question: what was asked for may be there all the same
            raise Unavailable(f"the start cannot be looked after just now: {error}") from error

    def _carried_on(self, key: str, record: Record) -> Run | tuple[Failure, ...]:
        if not record.get("run") and record["mode"] == "repair":
            self._repair(key, record)
        if not record.get("run") and (refused := self._new(key, record)) is not None:
            return (refused,)
        if not record.get("resolved"):
            self._resolve(key, record)
        return asking.as_run(key, record)

    def record(self, key: str) -> Record | None:
        """Return what is kept under a key."""
        found = self._session.kept(_STARTS, key)
        return found if isinstance(found, dict) else None

    def call_off(self, key: str) -> None:
        """Make sure that this process and later ones start nothing by a key."""
        self._keep(key, (self.record(key) or {}) | {"called_off": True})

    def lost(self, key: str) -> str | None:
        """Return the run of a start whose answer was lost, None where none was started.

        Nothing is sent that could start one. Raises `Unavailable` where it cannot be told.
        """
        record = self.record(key)
        if record is None or "mode" not in record:
            return None
        if record.get("run") or record["asked"] is None:
            return record.get("run")
        try:
            if record["mode"] == "repair":
                return None if self._seeking.repaired(record) is None else str(record["of"])
            found = self._seeking.since(record)
        except Held:
            return None  # somebody else's repair: none of ours was made
        except ApiRefused as error:
            raise Unavailable(f"what was started cannot be looked for: {error}") from error
        if len(found) > 1:
            raise Unavailable(_several(found))
        return str(found[0]["key"]) if found else None

    def newest(self, run: str) -> int:
        """Return the newest repair of a run that is ours or was there at its adoption, else 0."""
        return int(self._session.kept(_OURS, run) or 0)

    def know(self, run: str, repair: int) -> None:
        """Count the repairs of a run up to this one as known from now on."""
        self._session.keep(_OURS, run, max(repair, self.newest(run)))

    def define(self, run: str, tasks: Any) -> None:
        """Keep how a run's job declares its tasks, to see what changes until a repair."""
        self._session.keep(_DEFINED, run, tasks)

    def _keep(self, key: str, record: Record) -> None:
        self._session.keep(_STARTS, key, record)

    def _wanted(self, deployment: Deployment, repair: Repair | None) -> Record | Failure:
        try:
            job = runs.job(self._api, deployment.job, surely=True)
        except NotFound as error:
            return _refused(error)
        old = None if repair is None else ended(self._api, repair.run, self._now())
        base = asking.base(job, deployment, self._now())
        if asking.goes_on(job):
            besides = None if old is None else str(old["key"])
            if taken := self._seeking.active(deployment.job, besides):
                note = "the job is continuous: the run that the platform started is taken"
                return base | {"run": str(taken[0]["key"]), "notes": [note]}
        base["before"] = self._seeking.newest(deployment.job)
        if repair is not None and old is not None:
            defined = self._session.kept(_DEFINED, repair.run)
            return base | asking.again(job, old, repair, defined)
        own = parameters.given(self._session.book.job.parameters)
        gone = [] if repair is None else [f"run {repair.run} is gone: the playbook's parameters"]
        known = parameters.named(job.get("parameters")) | own
        return base | {"own": own, "known": known, "notes": gone}

    def _repair(self, key: str, record: Record) -> None:
        """Repair; where the service will not have it, the record asks for a new run instead."""
        if record.get("undone"):
            self._undo(key, record)
            return
        if record["asked"] is not None:
            if (found := self._seeking.repaired(record)) is not None:
                self._repaired(key, record, found)
                return
            ended(self._api, record["of"], self._now())
        else:
            self._unraced(record)
        self._asking(key, record)
        path = f"/jobRuns/{quote(record['of'], safe='')}/actions/repair"
        body = asking.repair_body(record, self._session.aidp.repair)
        what = f"repair-run-{record['name']}"
        try:
            answer = self._api.send("POST", path, body, what=what, token=self._token(key, record))
        except ApiRefused as error:
            self._not_repaired(key, record, error)
            return
        record["of"] = str(answer.body.get("key") or record["of"])
        number = runs.newest_repair(answer.body)
        if number <= record["seen"]:  # an answer from before it began, or one that tells nothing
            number = self._seeking.repaired(record) or record["seen"] + 1
        self._repaired(key, record, number)

    def _unraced(self, record: Record) -> None:
        """Raise `Held` where somebody else acted since it was last looked, maybe long ago."""
        of, job = record["of"], record["job"]
        if why := overtaking.said(self._api, of, job, self.newest(of), self._now()):
            raise Held(why)

    def _not_repaired(self, key: str, record: Record, error: ApiRefused) -> None:
        """Read back what a refused repair did; ask for a new run where it did nothing."""
        run = ended(self._api, record["of"], self._now())
        if run is not None and (found := seeking.ours(run, record)) is not None:
            self._repaired(key, record, found)
            return
        if _ACTIVE.search(error.message):
            said = f"run {record['of']} cannot be repaired yet: {error}"
            raise Unavailable(said, retry_after_s=_AGAIN_S, works=True) from error
        self._instead(key, record, f"a new run, because no repair was possible: {error}")

    def _instead(self, key: str, record: Record, why: str) -> None:
        again = record.pop("instead")
        again["notes"] = [why, *again["notes"]]
        before = self._seeking.newest(record["job"])
        record |= {**again, "mode": "run", "asked": None, "before": before}
        record["attempt"] += 1
        self._keep(key, record)

    def _repaired(self, key: str, record: Record, repair: int) -> None:
        run = record["of"]
        self.know(run, repair)
        if record["had"] and asking.as_before(runs.get(self._api, run), record):
            record["undone"] = repair
            self._keep(key, record)
            self._undo(key, record)
            return
        self.define(run, record["defined"])
        record |= {"run": run, "repairs": run, "resolved": True}
        self._keep(key, record)

    def _undo(self, key: str, record: Record) -> None:
        """Stop a repair that runs what was before the fix; then ask for a new run."""
        run = runs.found(self._api, record["of"])
        why = "the repair took up the job's definition of before the change"
        if run is not None and not states.ended(run):
            path = f"/jobRuns/{quote(record['of'], safe='')}/actions/cancel"
            what = f"cancel-run-{record['name']}"
            if states.status(run) != "CANCELING":
                self._api.send("POST", path, what=what, token=token(key, record["of"], "undo"))
            raise Unavailable(f"{why}: it is stopped, a new run follows", works=True)
        ended(self._api, record["of"], self._now())
        self._instead(key, record, f"a new run: {why}")

    def _new(self, key: str, record: Record) -> Failure | None:
        """Start a new run, or find the one that a lost request started."""
        if record["asked"] is not None:
            found = self._seeking.since(record)
            if len(found) > 1:
                raise Held(_several(found))
            if found:
                self._begun(key, record, found[0])
                return None
        self._room(record)
        self._asking(key, record)
        body, what = asking.run_body(record), f"run-job-{record['name']}"
        token = self._token(key, record)
        try:
            answer = self._api.send("POST", "/jobRuns", body, what=what, token=token)
        except ApiRefused as error:
            return _refused(error)
        self._begun(key, record, answer.body)
        return None

    def _begun(self, key: str, record: Record, run: dict[str, Any]) -> None:
        if not run.get("key"):
            raise Unavailable("the service took the run, but its answer names none: looking for it")
        self._seeking.remember(run)
        record["run"] = str(run["key"])
        self._keep(key, record)

    def _asking(self, key: str, record: Record) -> None:
        """Keep on the disk that the service is asked now, with a token that it still knows."""
        asked, now = record["asked"], self._now()
        if asked is not None and now - asked < TOKEN_S:
            return
        record["attempt"] += 0 if asked is None else 1
        record["asked"] = now
        self._keep(key, record)

    def _token(self, key: str, record: Record) -> str:
        case = self._session.context.folder.name
        return token(case, record["job"], f"{key}.{record['attempt']}")

    def _room(self, record: Record) -> None:
        """Wait for other active runs of a job that takes no more: the service would skip ours."""
        if record["most"] is None:
            return
        active = self._seeking.active(record["job"])
        if len(active) < record["most"]:
            return
        run, most = active[0]["key"], record["most"]
        if states.status(active[0]) == states.BLOCKED:
            raise Held(f"run {run} of the job is BLOCKED and may go on: cancel it first")
        said = f"run {run} of the job is active, which takes {most} at a time"
        if record["endless"]:
            raise Held(f"{said}, and has no end: cancel it to run what was deployed")
        raise Unavailable(f"{said}: ours waits for its end", retry_after_s=_AGAIN_S, works=True)

    def _resolve(self, key: str, record: Record) -> None:
        """Fill in what only the run knows; a run that was skipped is none."""
        try:
            run = runs.get(self._api, record["run"])
        except NotFound as error:
            said = f"run {record['run']} was started and does not show yet"
            raise Unavailable(said, retry_after_s=2.0) from error
        if states.status(run) == "SKIPPED" and record["asked"] is not None:
            self._skipped(key, record)
        self.know(record["run"], runs.newest_repair(run))
        self.define(record["run"], record["defined"])
        record |= {"known": parameters.carried(run) or record["known"], "resolved": True}
        self._keep(key, record)

    def _skipped(self, key: str, record: Record) -> None:
        """Start anew after the run that made the service skip ours; say so."""
        run, others = record["run"], self._seeking.active(record["job"])
        if not others and record["skipped"]:
            return  # twice, and nobody is in the way: the run itself says what happened
        record["skipped"].append(run)
        record["notes"].append(f"run {run} was skipped by the service: another was active")
        record |= {"run": None, "asked": None, "attempt": record["attempt"] + 1}
        self._keep(key, record)
        who = f"run {others[0]['key']} of the job is" if others else "another run of the job was"
        said = f"run {run} was skipped, because {who} active; ours waits for its end"
        raise Unavailable(said, retry_after_s=_AGAIN_S, works=True)


def token(case: str, job: str, key: str) -> str:
    """Return the retry token of a request: the same for the same key, 56 characters."""
    basis = f"{case}\0{job}\0{key}"
    return f"runmend-{hashlib.sha256(basis.encode()).hexdigest()[:48]}"


def _several(found: list[dict[str, Any]]) -> str:
    listed = ", ".join(str(run["key"]) for run in found)
    return f"one of the runs {listed} may be ours; cancel what should not run"


def _refused(error: ApiRefused) -> Failure:
    return Failure(
        phase="run", code=error.code or f"HTTP_{error.status}", message=str(error), started=False
    )

"""A run's tasks among themselves: which may begin, which are tried again, how the whole ends.

Sources: https://docs.databricks.com/aws/en/jobs/run-if,
https://docs.databricks.com/aws/en/jobs/for-each
"""

from typing import TYPE_CHECKING, Any

from agent.engine import schedule
from agent.simulators.databricks import execution, jobsettings, rundocs
from agent.simulators.databricks.rundocs import FAILED_TEXT, Attempt, Run

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_MANY = -1


def settle(sim: "Simulator", run: Run, at_ms: int) -> None:
    """Start what may start, end what cannot run, end the run when all has ended."""
    moved = True
    while moved:
        moved = False
        for attempt in list(rundocs.latest(run).values()):
            if attempt["state"] == "BLOCKED":
                moved |= _unblock(sim, run, attempt, at_ms)
            elif attempt.get("way") == "for_each" and attempt["state"] != "ENDED":
                moved |= _iterate(sim, run, attempt, at_ms)
    if all(attempt["state"] == "ENDED" for attempt in run["attempts"]):
        finish(sim, run, at_ms)


def _unblock(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> bool:
    """Start or end a task whose dependencies have ended; return whether it moved."""
    if run["state"] == "TERMINATING":
        rundocs.end(attempt, at_ms, "UPSTREAM_CANCELED" if _needs(run, attempt) else "CANCELED")
        return True
    if _left_out(run, attempt):
        rundocs.end(attempt, at_ms, "DISABLED")
        return True
    needs = _needs(run, attempt)
    if any(other["state"] != "ENDED" for other, _ in needs):
        return False
    result = _verdict(attempt, needs)
    if result is not None:
        rundocs.end(attempt, at_ms, result)
    else:
        execution.launch(sim, run, attempt, at_ms)
        again(sim, run, attempt, at_ms)
    return True


def _left_out(run: Run, attempt: Attempt) -> bool:
    only = run["only"]
    return bool(attempt["spec"].get("disabled")) or (
        only is not None and attempt["task_key"] not in only
    )


def _needs(run: Run, attempt: Attempt) -> list[tuple[Attempt, str | None]]:
    """Return what a task waits for, with the outcome it wants; disabled ones do not count."""
    last = rundocs.latest(run)
    found = []
    for need in jobsettings.listed(attempt["spec"], "depends_on"):
        other = last.get(need["task_key"])
        if other is not None and not _left_out(run, other):
            found.append((other, need.get("outcome")))
    return found


def _verdict(attempt: Attempt, needs: list[tuple[Attempt, str | None]]) -> str | None:
    """Return None where the task may run, else the result that it ends with."""
    for other, outcome in needs:
        wanted = None if outcome is None else str(outcome).lower()
        if (
            wanted is not None
            and other["result"] in rundocs.GOOD
            and other.get("outcome") != wanted
        ):
            return "EXCLUDED"
    states = [_word(other["result"]) for other, _ in needs]
    if states and all(state == "skipped" for state in states):
        return "EXCLUDED"
    found = schedule.verdict(attempt["spec"].get("run_if") or "ALL_SUCCESS", states)
    if found != "upstream_failed":
        return None if found is None else "EXCLUDED"
    results = {other["result"] for other, _ in needs}
    cancelled = results & {"CANCELED", "UPSTREAM_CANCELED"}
    failed = results & {"FAILED", "TIMEDOUT", "UPSTREAM_FAILED"}
    return "UPSTREAM_CANCELED" if cancelled and not failed else "UPSTREAM_FAILED"


def _word(result: str) -> str:
    if result in rundocs.GOOD:
        return "succeeded"
    return "skipped" if result in rundocs.NEITHER else "failed"


def again(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    """Add the next attempt where one that just ended is to be tried again."""
    if attempt["state"] != "ENDED" or "stop" in run or not _worth(sim, attempt):
        return
    spec = attempt["spec"]
    new = rundocs.new_attempt(sim, run, spec, at_ms, attempt)
    new |= {k: attempt[k] for k in ("within", "index", "input") if k in attempt}
    wait = int(spec.get("min_retry_interval_millis") or 0)
    new |= {"tries": attempt.get("tries", 1) + 1, "state": "WAITING_FOR_RETRY"}
    new["not_before"] = at_ms + wait


def _worth(sim: "Simulator", attempt: Attempt) -> bool:
    spec, result = attempt["spec"], attempt["result"]
    if attempt.get("asked_to_stop") or result not in ("FAILED", "TIMEDOUT"):
        return False
    if result == "TIMEDOUT" and not spec.get("retry_on_timeout"):
        return False
    most = spec.get("max_retries")
    if most is None and sim.options.serverless_retry and execution.serverless(spec):
        most = 0 if spec.get("disable_auto_optimization") else 1
    return bool(most == _MANY or attempt.get("tries", 1) <= int(most or 0))


def _iterate(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> bool:
    """Start iterations as far as the concurrency allows; end the task when all have ended."""
    done = rundocs.iterations(run, attempt)
    last = {a["index"]: a for a in done}
    busy = sum(a["state"] != "ENDED" for a in last.values())
    loop = attempt["spec"]["for_each_task"]
    moved = False
    stopping = attempt["state"] == "TERMINATING"
    for index in range(len(last), 0 if stopping else len(attempt["inputs"])):
        if busy >= int(loop.get("concurrency") or 1):
            break
        spec = jobsettings.filled_task(loop["task"])
        new = rundocs.new_attempt(sim, run, spec, at_ms)
        new |= {"within": attempt["run_id"], "index": index, "input": attempt["inputs"][index]}
        execution.launch(sim, run, new, at_ms)
        again(sim, run, new, at_ms)
        busy += new["state"] != "ENDED"
        moved = True
    last = {a["index"]: a for a in rundocs.iterations(run, attempt)}
    if not moved and all(a["state"] == "ENDED" for a in last.values()):
        _end_loop(run, attempt, list(last.values()), at_ms)
        return True
    return moved


def _end_loop(run: Run, attempt: Attempt, last: list[Attempt], at_ms: int) -> None:
    results = {a["result"] for a in last}
    if results <= rundocs.GOOD and attempt["state"] != "TERMINATING":
        rundocs.end(attempt, at_ms, "SUCCESS")
    elif attempt["state"] == "TERMINATING":
        rundocs.end(attempt, at_ms, run.get("stop", "CANCELED"))
    else:
        failed = sum(result not in rundocs.GOOD for result in (a["result"] for a in last))
        text = f"{failed} of {len(last)} iterations failed. {FAILED_TEXT}"
        rundocs.end(attempt, at_ms, "FAILED", message=text)


def finish(sim: "Simulator", run: Run, at_ms: int) -> None:
    """End a run as its tasks ended."""
    last = rundocs.latest(run)
    leaves = rundocs.leaves(run)
    fine = rundocs.GOOD | rundocs.NEITHER
    bad = [a for a in last.values() if a["result"] not in fine]
    if not bad:
        rundocs.end(run, at_ms, "SUCCESS")
    elif "stop" in run:
        rundocs.end(run, at_ms, run["stop"])
    elif all(last[key]["result"] in fine for key in leaves):
        rundocs.end(run, at_ms, "SUCCESS_WITH_FAILURES")
    else:
        _fail(sim, run, bad, at_ms)
    for name in ("stop", "stop_at", "seen_stop"):
        run.pop(name, None)
    if run["repairs"]:
        item = run["repairs"][-1]
        item |= {k: run[k] for k in ("state", "life", "result", "code", "type", "message", "ended")}


def _fail(sim: "Simulator", run: Run, bad: list[Attempt], at_ms: int) -> None:
    own = [a for a in bad if a["result"] in rundocs.OWN_FAILURES] or bad
    first = min(own, key=lambda a: (a["result"] == "CANCELED", int(a["ended"])))
    if first["result"] == "CANCELED":
        rundocs.end(run, at_ms, "CANCELED")
        return
    if run["format"] == "SINGLE_TASK":
        rundocs.end(
            run,
            at_ms,
            first["result"],
            code=first["code"],
            kind=first["type"],
            message=first["message"],
        )
        return
    said = str(first["message"]).rstrip(".")
    text = f"Task {first['task_key']} failed with message: {said}."
    if any(a["result"] == "UPSTREAM_FAILED" for a in bad):
        text += " This caused all downstream tasks to get skipped.."
    rundocs.end(run, at_ms, "FAILED", code=first["code"], kind=first["type"], message=text)
    run["life"] = sim.options.failed_parent


def iteration_stats(run: Run, attempt: Attempt) -> dict[str, Any]:
    """Return `stats` of a for-each task."""
    last = {a["index"]: a for a in rundocs.iterations(run, attempt)}.values()
    ended = [a for a in last if a["state"] == "ENDED"]
    failed = [a for a in ended if a["result"] not in rundocs.GOOD]
    counts: dict[str, int] = {}
    for item in failed:
        counts[item["message"]] = counts.get(item["message"], 0) + 1
    return {
        "error_message_stats": [
            {"count": n, "error_message": text, "termination_category": "RUN_EXECUTION_ERROR"}
            for text, n in counts.items()
        ],
        "task_run_stats": {
            "total_iterations": len(attempt.get("inputs", ())),
            "scheduled_iterations": len(last),
            "active_iterations": len(last) - len(ended),
            "completed_iterations": len(ended),
            "failed_iterations": len(failed),
            "succeeded_iterations": len(ended) - len(failed),
        },
    }

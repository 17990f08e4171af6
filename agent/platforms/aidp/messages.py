"""What the service says of a task in its state: whether that tells a cause, and in which words.

Rules kept here: "Exception during execution of notebook" and its kin name no cause; a message ends
with lines about the client that are nobody's cause; the codes of the service (`WORKFLOW_...`) stay
in the words, for the matrix knows causes by them; what Kubernetes says while pods are taken down is
noise.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/monitor-jobs.html
"""

import re
from collections.abc import Mapping
from typing import Any

from agent.platforms.aidp import states
from agent.remote import texts

LONGEST = 2000
"""Characters of a message."""
_ABOUT = re.compile(
    r"^\s*(?:Timestamp|Client version|opc-request-id|Request[ -]?id|Operation name)\s*:",
    re.IGNORECASE,
)
_NOISE = re.compile(r"deletecollection.*forbidden|forbidden.*deletecollection", re.IGNORECASE)
_CODE = re.compile(r"\bWORKFLOW_(?:\w+_)?\d{4}\b")
_TELLS = re.compile(
    r"\bWORKFLOW_(?:\w+_)?\d{4}\b|(?:Error|Exception)\b\s*:|Caused by|Traceback|Errno \d|"
    r"\bOOM|out of memory|exit(?:ed)? (?:with )?(?:code|status)|not found|does not exist|no such|"
    r"denied|forbidden|unauthori[sz]ed|not authori[sz]ed|not in active|cancel|basepath",
    re.IGNORECASE,
)
_BEHIND = re.compile(r"\s*$|['+:=]|JVM stacktrace|\s+at\s")
_FRAME = re.compile(r"^\s*(?:at\s|\.{3} \d+ more|File \"|[\^~ ]+$)")
_RAISED = re.compile(
    r"^(?:Caused by: )?[A-Za-z_][\w.$]*(?:Error|Exception|Exit|Failure|Interrupt)\b(?:: .*)?$"
)
_NEVER = re.compile(r"\bWORKFLOW_EXECUTION_(?:0049|0055|0071|0036)\b")
"""The task could not be launched: its cluster or the credential it runs as is not there."""


def telling(text: str) -> str:
    """Return what the service says, without colours and without what is about the client."""
    lines = texts.plain(text).strip().splitlines()
    return "\n".join(
        line.rstrip()
        for line in lines
        if line.strip() and not _ABOUT.match(line) and not noise(line)
    )


def noise(line: str) -> bool:
    """Return whether a line is what Kubernetes says while pods are taken down."""
    return _NOISE.search(line) is not None


def quiet(text: str) -> str:
    """Return text without noise."""
    return "\n".join(line for line in text.split("\n") if not noise(line))


def brief(raised: str) -> str:
    """Return an exception's words without the plan or the stack that Spark puts behind them."""
    lines = raised.splitlines()
    end = next((n for n, line in enumerate(lines) if n and _BEHIND.match(line)), len(lines))
    return "\n".join(lines[:end])


def silent(text: str) -> bool:
    """Return whether what the service says names no cause."""
    return not _TELLS.search(text)


def first(trace: str) -> str:
    """Return the one line of an `errorTrace` that says most; empty for an empty one.

    A code of the service, else the last exception, else the first line.
    """
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    told = [line for line in lines if not _FRAME.match(line)] or lines
    coded = [line for line in told if _CODE.search(line)]
    raised = [line for line in told if _RAISED.match(line)]
    return (coded[:1] or raised[-1:] or told[:1] or [""])[0]


def best(raised: str, trace: str, state: str) -> str:
    """Return the words that tell most: an exception's, the trace's, the state's; may be empty."""
    said = first(trace)
    for words in (raised, said, state):
        if words and (words is raised or not silent(words)):
            return words
    return state or said


def started(task_run: Mapping[str, Any], said: str, kept: bool) -> bool:
    """Return False where the task is known to have never begun; `kept`: it left output behind."""
    began = states.began(task_run) is not None or any(
        states.began(one) is not None
        for one in task_run.get("retries") or ()
        if isinstance(one, dict)
    )
    if not began:
        return kept
    return kept or not _NEVER.search(said)

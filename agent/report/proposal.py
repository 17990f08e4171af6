"""A proposed entry for the error matrix, where a failure was unknown.

Only a draft for a person: the message becomes a pattern in which numbers and quoted names may
differ, the rest says what is known and leaves category, cause and solution to be
written. It is valid as it stands, so that `runmend matrix lint` can be run on it at once.
"""

import re
from collections.abc import Sequence

from agent.records import Line
from agent.report import words
from agent.report.story import FailureReport, Iteration

_LONGEST = 300
"""Characters of a message that become a pattern."""
_PARTS = re.compile(
    r"(?P<quoted>'[^']{1,120}'|\"[^\"]{1,120}\"|`[^`]{1,120}`)|(?P<digits>[0-9]+)|(?P<wide>[^\x00-\x7f]+)"
)
_NO_FIELDS = str.maketrans("{}", "()")
"""In a title, braces would name a parameter."""
_SPECIAL = re.compile(r"([\\.+*?()\[\]{}|^$])")
_ERROR = re.compile(r"(?i)\b\w*(?:error|exception|failed|failure|denied|refused|not found)\b")


def entry(iterations: Sequence[Iteration], platform: str, case: str) -> str:
    """Return a YAML block for the newest failure that no entry explains, or an empty text."""
    for iteration in reversed(iterations):
        for number in reversed(range(len(iteration.diagnoses))):
            known = iteration.diagnoses[number]
            if known.verdict == "not_determined" and number < len(iteration.failures):
                failure = iteration.failures[number]
                return _block(_telling(failure, known.worth_reading), failure, platform, case)
    return ""


def pattern(message: str) -> str:
    """Return a linear-time ASCII pattern for the message, numbers and quoted names left open."""
    out = []
    done = names = 0
    for part in _PARTS.finditer(message):
        out.append(_SPECIAL.sub(r"\\\1", message[done : part.start()]))
        done = part.end()
        if part["quoted"]:
            names += 1
            quote = part["quoted"][0]
            out.append(f"{quote}(?P<name{names}>[^{quote}]+){quote}")
        else:
            out.append(r"\d+" if part["digits"] else ".+")
    return "".join((*out, _SPECIAL.sub(r"\\\1", message[done:])))


def _telling(failure: FailureReport, worth_reading: Sequence[Line]) -> str:
    """Return the line that says most: an error of the log, else the failure's message."""
    lines = [words.line(quoted.text) for quoted in worth_reading]
    message = words.line(failure.message)
    if _ERROR.search(message):
        lines.insert(0, message)
    errors = [text for text in lines if _ERROR.search(text)]
    return (errors or [message])[0][:_LONGEST].rstrip()


def _block(text: str, failure: FailureReport, platform: str, case: str) -> str:
    found = re.findall(r"[a-z]{2,}", re.sub(r"(['\"`]).*?\1", "", text).lower())
    slug = "-".join(found[:5]) or "failure"
    link = failure.url if (failure.url or "").startswith(("http://", "https://")) else None
    rows = (
        f"- id: {platform}.{slug[:60].strip('-')}",
        f"  title: {_scalar(words.cut(text.translate(_NO_FIELDS), 80))}",
        "  category: code_bug          # a guess: see the categories' borders in the README",
        f"  platforms: [{platform}]",
        f"  match: [{_scalar(pattern(text))}]",
        "  cause: 'Not known yet: write why this happens, in one sentence.'",
        "  solution: 'Not known yet: write what a person should do.'",
        "  remedy: escalate            # rerun | fix | run_prerequisite, once that is safe",
        f"  sources: [{_scalar(words.line(link or f'runmend case {case}'))}]",
        f"  examples: [{_scalar(text)}]",
        "  counter_examples: ['finished without errors']",
    )
    return "\n".join(rows) + "\n"


def _scalar(text: str) -> str:
    """Return a YAML single-quoted scalar of one line."""
    return "'" + text.replace("'", "''") + "'"

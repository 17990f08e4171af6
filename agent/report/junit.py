"""The story as JUnit XML: one case per task, one per check, for whatever shows test results.

A task is judged by its newest status, so a healed job is green. What a job wrote is escaped, and
characters that XML 1.0 does not know become visible. Source of the dialect:
https://github.com/testmoapp/junitxml
"""

import re
import xml.etree.ElementTree as ET

from agent.records import Check, TaskStatus
from agent.report import words
from agent.report.story import Story

_BAD = {"failed", "timed_out", "cancelled"}
_INVALID = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(story: Story) -> str:
    """Return the XML document."""
    suite = ET.Element("testsuite", name=_text(story.playbook))
    _properties(suite, story)
    for task in story.tasks:
        _task(suite, task, story)
    for check in story.checks:
        _check(suite, check)
    if not story.tasks or _unexplained(suite, story):
        _job(suite, story)
    cases = suite.findall("testcase")
    suite.attrib |= {
        "tests": str(len(cases)),
        "failures": str(sum(c.find("failure") is not None for c in cases)),
        "errors": "0",
        "skipped": str(sum(c.find("skipped") is not None for c in cases)),
        "time": f"{story.usage.seconds:.3f}",
        "timestamp": f"{story.opened:%Y-%m-%dT%H:%M:%S}",
    }
    root = ET.Element("testsuites", {"name": "runmend", **_sums(suite)})
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _sums(suite: ET.Element) -> dict[str, str]:
    return {k: suite.attrib[k] for k in ("tests", "failures", "errors", "skipped", "time")}


def _text(text: str) -> str:
    return _INVALID.sub("\ufffd", words.block(text))


def _properties(suite: ET.Element, story: Story) -> None:
    known = {
        "case": story.case,
        "platform": story.platform,
        "target": story.target,
        "state": story.state,
        "verdict": story.verdict or "",
        "exit_code": "" if story.exit_code is None else str(story.exit_code),
        "verified": str(story.verified).lower(),
        "healed_in": str(story.healed_in),
        "tokens": str(story.usage.tokens),
        "next": story.next or "",
        "journal_head": story.chain_head,
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in known.items():
        ET.SubElement(properties, "property", name=name, value=_text(value))


def _case(suite: ET.Element, kind: str, name: str, seconds: float | None = None) -> ET.Element:
    return ET.SubElement(
        suite,
        "testcase",
        classname=f"{suite.get('name')}.{kind}",
        name=_text(name),
        time=f"{seconds or 0:.3f}",
    )


def _task(suite: ET.Element, task: TaskStatus, story: Story) -> None:
    case = _case(suite, "tasks", task.task, task.seconds)
    if task.state in _BAD:
        failures = [f for f in story.failures if f.task == task.task][-1:]
        message = failures[0].message if failures else task.message or task.state
        body = [message, *(words.quoted(e) for f in failures for e in f.tail)]
        _fail(case, message, failures[0].code if failures else task.state, "\n".join(body))
    elif task.state != "succeeded":
        ET.SubElement(case, "skipped", message=words.STATES[task.state])
    out = [words.exit_value(task), task.url or ""]
    ET.SubElement(case, "system-out").text = _text("\n".join(part for part in out if part))


def _check(suite: ET.Element, check: Check) -> None:
    case = _case(suite, "checks", check.name)
    if check.outcome == "failed":
        body = [words.checked(check), *check.items, *(words.quoted(e) for e in check.evidence)]
        _fail(case, check.saw, "VERIFY_FAILED", "\n".join(body))
    elif check.outcome == "unknown":
        ET.SubElement(case, "skipped", message=_text(f"unknown: {check.saw}"))
    ET.SubElement(case, "system-out").text = _text(words.checked(check))


def _unexplained(suite: ET.Element, story: Story) -> bool:
    """Return whether the case did not end well and no task or check says so."""
    bad = story.state != "done" and story.exit_code not in (0, None)
    return bad and not suite.findall("testcase/failure")


def _job(suite: ET.Element, story: Story) -> None:
    """Add a case for the job as a whole: nothing else would show how it ended."""
    case = _case(suite, "job", story.job)
    if story.state == "done":
        return
    failures = story.failures[-1:]
    headline = words.headline(story)
    if story.exit_code is None:
        ET.SubElement(case, "skipped", message=_text(headline))
        return
    message = failures[0].message if failures else story.reason or headline
    body = "\n".join([headline, story.reason, message])
    _fail(case, message, failures[0].code if failures else str(story.verdict), body)


def _fail(case: ET.Element, message: str, kind: str, body: str) -> None:
    failure = ET.SubElement(
        case, "failure", message=_text(words.line(message)), type=_text(words.line(kind))
    )
    failure.text = _text(body)

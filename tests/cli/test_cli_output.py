"""What is printed: one object or a card on stdout, progress on stderr, reports in every form."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from cli_stage import LOST_FILE, UNKNOWN, Stage

ASKED = {
    "schema_version",
    "case",
    "playbook",
    "platform",
    "state",
    "verdict",
    "exit_code",
    "verified",
    "checks",
    "iterations",
    "usage",
    "report",
    "next",
}
"""Fields that every object of a case has."""


def test_the_object_of_heal_and_show_is_the_same_and_whole(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, approve={"mode": "auto"})
    healed = stage.object()
    shown = stage.show(healed["case"])
    assert set(healed) >= ASKED
    for field in ASKED - {"next"}:
        assert healed[field] == shown[field], field
    iteration = healed["iterations"][0]
    assert {"runs", "failures", "diagnoses", "patch"} <= set(iteration)
    assert {"author", "effects", "risk", "decision"} <= set(iteration["patch"])
    assert {"tokens", "cost_usd", "api_calls", "seconds"} <= set(healed["usage"])
    assert iteration["diagnoses"][0]["entry"] == "missing.upstream-file"
    assert json.loads(Path(healed["report"]["json"]).read_text()) == shown


def test_progress_goes_to_stderr_one_plain_line_per_change(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, approve={"mode": "auto"})
    done = stage.heal()
    assert "\x1b" not in done.out + done.err
    lines = [line for line in done.err.splitlines() if re.match(r"\d{4}-\d\d-\d\dT\S+Z ", line)]
    told = [line.split()[2] for line in lines]
    assert [w for n, w in enumerate(told) if told[n - 1 : n] != [w]] == [
        "create",
        "run",
        "diagnose",
        "fix",
        "approve",
        "redeploy",
        "run",
        "verify",
    ]
    assert done.out.startswith("healed and verified in 1 iteration, ")
    assert "git -C job apply" in done.out


def test_with_json_stdout_is_one_object_and_stderr_stays_quiet(stage: Stage) -> None:
    stage.lay("one", files={"one.py": UNKNOWN})
    done = stage.heal(stage.book, "-o", "json")
    assert done.json["exit_code"] == done.code == 1
    assert done.err == ""


def test_a_report_comes_in_every_form(stage: Stage) -> None:
    stage.lay("one", files={"one.py": UNKNOWN})
    case = stage.object()["case"]
    assert "the flux of the moon" in stage.run("report", case, "--format", "markdown").out
    assert stage.run("report", case, "--format", "json").json["case"] == case
    suite = ET.fromstring(stage.run("report", case, "--format", "junit").out)  # noqa: S314  ours
    assert [c.get("name") for c in suite.iter("testcase")] == ["one"]
    page = stage.run("report", case, "--format", "html").out
    assert "<svg" in page
    assert not re.search(r"<script|src=\"http|href=\"http[^\"]*\.css", page)


@pytest.mark.slow
def test_commands_find_the_case_by_the_start_of_its_id_and_the_state_option(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE)
    elsewhere = stage.root / "else where"
    done = stage.run("heal", stage.book, "--state", elsewhere)
    assert done.code == 3
    assert not stage.state.exists()
    shown = stage.run("cases", "--state", elsewhere, "-o", "json").json["cases"][0]
    assert (shown["verdict"], shown["playbook"]) == ("waiting", "book")
    found = stage.run("show", shown["case"][:4], "--state", elsewhere, "-o", "json").json
    assert "--state" in found["next"]
    assert stage.typed(found["next"]) == 0
    assert stage.typed(found["steps"][3]["command"]) == 0


def test_the_state_folder_is_private_and_not_for_git(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE)
    case = stage.object()["case"]
    assert (stage.state / ".gitignore").read_text() == "*\n"
    for folder in (stage.state, stage.state / "cases" / case):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_a_job_that_is_loud_in_every_way_is_told_safely(stage: Stage) -> None:
    """Safety case 8: no newline, NUL, invalid UTF-8, terminal codes, bidi; bounded and escaped."""
    loud = (
        "import sys\n"
        "out = sys.stderr.buffer\n"
        "out.write(b'x' * 3_000_000)\n"
        "out.write(b'\\x00\\xff\\xfe\\x1b[2J\\x1b]0;owned\\x07' + '\\u202e\\u200b'.encode())\n"
        "out.flush()\n"
        "raise RuntimeError('after the noise')\n"
    )
    stage.lay("one", files={"one.py": loud})
    done = stage.heal()
    found = stage.show(stage.case())
    assert done.code == 1
    assert found["iterations"][0]["failures"][0]["message"].endswith("after the noise")
    assert found["iterations"][0]["failures"][0]["log_cut"], "it is not said that it was cut"
    reports = [Path(p).read_text() for p in found["report"].values()]
    for text in (done.out, done.err, *reports):
        assert len(text) < 500_000
        for code in ("\x1b", "\x07", "\x00", "\u202e", "\u200b"):
            assert code not in text

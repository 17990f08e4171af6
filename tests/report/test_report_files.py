"""The files that `write` leaves, the JSON object and its schema."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import case_histories as histories
import pytest

from agent import report
from agent.events import Opened
from agent.report.story import Story
from agent.report.written import FILES

SCHEMA = Path(report.__file__).with_name("report.schema.json")

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


def test_the_published_schema_is_the_programs_own():
    assert json.loads(SCHEMA.read_text()) == report.schema()


def test_the_schema_requires_what_its_readers_were_promised():
    schema = report.schema()
    assert set(schema["required"]) >= ASKED
    assert schema["additionalProperties"] is False
    assert set(schema["$defs"]["Spent"]["required"]) >= {
        "tokens",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "api_calls",
        "seconds",
    }
    assert set(schema["$defs"]["Iteration"]["required"]) >= {
        "runs",
        "failures",
        "diagnoses",
        "patch",
        "no_patch",
    }


@pytest.mark.parametrize("name", histories.ALL)
def test_the_object_is_ascii_and_the_same_after_a_round_trip(name):
    story = report.tell(histories.ALL[name]().events)
    text = report.as_json(story)
    assert text.isascii()
    assert not set(text) & set("\x1b\x07\x00")
    assert Story.model_validate(json.loads(text)) == story


@pytest.mark.parametrize("name", histories.ALL)
def test_each_iteration_has_a_patch_or_says_why_there_is_none(name):
    found = json.loads(report.as_json(report.tell(histories.ALL[name]().events)))
    assert len(found["iterations"]) <= 3
    for iteration in found["iterations"]:
        assert (iteration["patch"] is None) == bool(iteration["no_patch"])
        if iteration["patch"]:
            assert iteration["patch"]["risk"] in ("safe", "ask", "destructive")
            assert {"author", "effects", "decision"} <= set(iteration["patch"])
        assert all("entry" in diagnosis for diagnosis in iteration["diagnoses"])


def test_all_four_files_are_written_for_their_owner_only(tmp_path):
    story = report.write(histories.healed().events, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == set(FILES.values())
    assert story.report == {kind: str(tmp_path / name) for kind, name in FILES.items()}
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(report.as_json(story))
    assert str(tmp_path / "report.html") in report.text(story)


def test_a_report_that_is_written_again_replaces_the_old_one(tmp_path):
    case = histories.healed()
    report.write(case.events[:12], tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] is None
    report.write(case.events, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "healed"
    assert len(list(tmp_path.iterdir())) == len(FILES)


def test_a_link_in_the_reports_place_is_replaced_and_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "report.md").symlink_to(victim)
    report.write(histories.healthy().events, folder)
    assert victim.read_text() == "mine"
    assert not (folder / "report.md").is_symlink()


@pytest.mark.parametrize("length", range(1, len(histories.healed().events) + 1))
def test_a_report_can_be_written_after_every_event(length, tmp_path):
    story = report.write(histories.healed().events[:length], tmp_path)
    assert story.verified == (length == len(histories.healed().events))
    assert (story.next is None) == (story.verdict == "healthy")


@pytest.mark.skipif(not (shutil.which("git") or shutil.which("patch")), reason="nothing applies it")
def test_mode_suggest_leaves_its_patch_as_a_file_with_the_command_that_applies_it(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "case"
    source.mkdir()
    folder.mkdir()
    bad = 'frame = pandas.read_csv("data/orders.csv")\nframe["amout"] = frame.qty * frame.price\n'
    bad += 'frame.to_parquet("data/orders.parquet")\n'
    (source / "transform.py").write_text("\n" * 11 + bad)
    case = histories.suggested()
    opened = case.events[0]
    assert isinstance(opened, Opened)
    playbook = opened.loaded.playbook.model_copy(update={"source": str(source)})
    loaded = opened.loaded.model_copy(update={"playbook": playbook})
    case.events[0] = opened.model_copy(update={"loaded": loaded})
    story = report.write(case.events, folder)
    assert story.report["patch"] == str(folder / "suggested.patch")
    assert (folder / "suggested.patch").read_text() == histories.DIFF
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    subprocess.run(story.next, shell=True, check=True, env=environment)  # noqa: S602  ours
    assert 'frame["amount"]' in (source / "transform.py").read_text()
    assert "What was proposed and not deployed" in (folder / "report.html").read_text()

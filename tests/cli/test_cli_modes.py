"""Who may change what: the four modes, and the ways a proved fix is handed over and taken back."""

import subprocess
from pathlib import Path

import pytest
from cli_stage import LOST_FILE, Stage

MENDED = "print(open('data/in.csv').read())\n"


def source(stage: Stage) -> dict[str, bytes]:
    """Return every file of the job's folder that is not data."""
    found = (f for f in stage.job.rglob("*") if f.is_file() and ".git" not in f.parts)
    return {str(f): f.read_bytes() for f in found if "data" not in f.parts}


def git(stage: Stage, *args: str) -> str:
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    command = ["git", "-C", str(stage.job), *who, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(stage: Stage) -> None:
    (stage.job / ".gitignore").write_text("data/\n")
    git(stage, "init", "-q", "-b", "main")
    git(stage, "add", ".")
    git(stage, "commit", "-q", "-m", "as it was")


def test_observe_diagnoses_and_proposes_nothing(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, approve={"mode": "observe"})
    before = source(stage)
    found = stage.object()
    iteration = found["iterations"][0]
    assert (found["verdict"], found["exit_code"]) == ("escalated", 1)
    assert iteration["diagnoses"][0]["entry"] == "missing.upstream-file"
    assert iteration["patch"] is None
    assert "observe" in iteration["no_patch"]
    assert source(stage) == before


def test_suggest_writes_a_patch_that_mends_and_deploys_nothing(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE)
    before = source(stage)
    found = stage.object("--mode", "suggest")
    assert (found["verdict"], found["exit_code"]) == ("escalated", 1)
    assert len(found["iterations"][0]["runs"]) == 1
    assert source(stage) == before
    assert Path(found["report"]["patch"]).read_text() == found["iterations"][0]["patch"]["diff"]
    assert stage.typed(found["next"]) == 0
    assert (stage.job / "one.py").read_text() == MENDED


def test_approve_asks_for_what_no_rule_decides_and_takes_a_rule_where_one_does(
    stage: Stage,
) -> None:
    stage.lay("one", files=LOST_FILE)
    assert stage.object("--mode", "approve")["verdict"] == "waiting"
    rules = [{"author": "fixer:*", "risk": "safe", "target": "local", "then": "approve"}]
    stage.playbook("other.yaml", approve={"rules": rules})
    done = stage.run("heal", "other.yaml", "-o", "json")
    assert done.json["iterations"][0]["patch"]["decision"]["by"] == "rule 1"
    assert done.code == 0


def test_auto_takes_safe_patches_by_fixers_and_still_asks_on_production(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, production=True)
    found = stage.object("--mode", "auto")
    assert found["exit_code"] == 3
    assert "production" in found["reason"]


def test_the_mode_is_taken_from_flag_then_environment_then_file(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, approve={"mode": "observe"})
    assert stage.object()["mode"] == "observe"
    assert stage.object(RUNMEND_MODE="suggest")["mode"] == "suggest"
    assert stage.object("--mode", "auto", RUNMEND_MODE="suggest")["mode"] == "auto"


def test_a_dry_run_runs_and_writes_nothing(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, verify=[{"file": "data/in.csv"}])
    done = stage.heal(stage.book, "--dry-run")
    assert done.code == 0
    assert "run      one  spark_python_task  one.py" in done.out
    assert "1 check" in done.out
    assert stage.heal(stage.book, "--dry-run", "-o", "json").json["tasks"][0]["task"] == "one"
    (stage.job / "job.yaml").write_text("tasks: []\n")
    assert "no task can be read from job.yaml" in stage.heal(stage.book, "--dry-run").out
    assert not stage.state.exists()


def test_auto_is_surer_of_a_general_cause_where_the_fixer_found_the_fault_itself(
    stage: Stage,
) -> None:
    code = (
        "import csv\n"
        "orders = list(csv.DictReader(open('data/in.csv')))\n"
        "print(sum(float(order['amuont']) for order in orders))\n"
    )
    stage.lay("one", files={"data/in.csv": "amount\n1\n", "one.py": code})
    found = stage.object("--mode", "auto")
    assert found["causes"][0]["entry"] == "python.key-error"
    assert found["causes"][0]["confidence"] < 0.8 <= found["iterations"][0]["patch"]["confidence"]
    assert (found["exit_code"], found["verdict"]) == (0, "healed")


@pytest.mark.slow
def test_a_folder_that_git_does_not_track_is_not_changed_unless_in_place(stage: Stage) -> None:
    for how in ("patch", "branch"):
        stage.lay("one", files=LOST_FILE, approve={"mode": "auto"}, deliver=how)
        before = source(stage)
        found = stage.object()
        assert (found["verdict"], found["delivered"]["how"]) == ("healed", "patch")
        assert source(stage) == before
    assert "no branch was made" in found["delivered"]["note"]
    assert stage.object("--deliver", "in-place")["delivered"]["how"] == "in-place"
    assert (stage.job / "one.py").read_text() == MENDED


def test_edits_in_place_are_undone_byte_for_byte(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, approve={"mode": "auto"}, deliver="in-place")
    before = source(stage)
    found = stage.object()
    assert (stage.job / "one.py").read_text() == MENDED
    done = stage.run("undo", found["case"])
    assert done.code == 0
    assert source(stage) == before
    assert "one.py" in stage.show(found["case"])["undone"]
    assert not stage.show(found["case"])["verified"]


def test_undo_leaves_alone_what_a_person_changed_since(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, approve={"mode": "auto"}, deliver="in-place")
    found = stage.object()
    assert stage.run("undo", found["case"], RUNMEND_READ_ONLY="1").code == 4
    assert (stage.job / "one.py").read_text() == MENDED, "the kill switch did not hold"
    (stage.job / "one.py").write_text("print('mine')\n")
    done = stage.run("undo", found["case"])
    assert done.code == 4
    assert "one.py" in done.err
    assert (stage.job / "one.py").read_text() == "print('mine')\n"


def test_a_branch_has_one_commit_and_undo_deletes_it(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, approve={"mode": "auto"}, deliver="branch")
    commit(stage)
    before = source(stage)
    found = stage.object()
    branch = found["delivered"]["where"]
    assert (found["delivered"]["how"], branch) == ("branch", f"runmend/{found['case']}")
    assert git(stage, "rev-list", "--count", f"main..{branch}") == "1"
    assert git(stage, "show", f"{branch}:one.py") == MENDED.strip()
    assert source(stage) == before
    assert git(stage, "status", "--porcelain") == ""
    assert stage.run("undo", found["case"]).code == 0
    assert git(stage, "branch", "--list", branch) == ""
    assert stage.typed(stage.object()["next"]) == 0
    assert (stage.job / "one.py").read_text() == MENDED, "the merge did not take it over"


def test_there_is_nothing_to_undo_where_nothing_was_delivered(stage: Stage) -> None:
    stage.lay("one", files={"one.py": "print(1)\n"})
    found = stage.object()
    done = stage.run("undo", found["case"], "-o", "json")
    assert done.code == 2
    assert "has delivered nothing" in done.json["error"]

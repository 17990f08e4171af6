"""Commands around a case: init, doctor, diagnose, matrix, playbook, audit, simulate."""

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_stage import LOST_FILE, RUNMEND, Stage

DIAGNOSED = {
    "schema_version",
    "verdict",
    "entry",
    "category",
    "cause",
    "remedy",
    "transient",
    "confidence",
    "parameters",
    "evidence",
}
LOG = """\
INFO start
Traceback (most recent call last):
  File "features.py", line 7, in <module>
    import cv2
ModuleNotFoundError: No module named 'cv2'
"""


def test_init_writes_what_heal_carries_to_success(stage: Stage) -> None:
    stage.write(
        {"a first.py": "print('one')\n", "b.sql": "create or replace table t as select 1;\n"}
    )
    (stage.job / "data").mkdir()
    done = stage.run("init", "job")
    assert done.code == 0
    assert "then: runmend heal job/playbook.yaml" in done.out
    assert stage.typed("runmend playbook check job/playbook.yaml") == 0
    assert stage.typed("runmend heal job/playbook.yaml") == 0
    kept = (stage.job / "playbook.yaml").read_text()
    assert "kept" in stage.run("init", "job").out
    assert (stage.job / "playbook.yaml").read_text() == kept
    assert stage.run("init", "nowhere").code == 2


def test_doctor_says_what_hinders_watching_a_job(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE)
    done = stage.run("doctor", stage.book)
    assert done.code == 0
    assert "task one gives no structured exit value" in done.out
    assert "task one prints no progress" in done.out
    assert "verify is empty" in done.out
    (stage.job / "one.py").unlink()
    found = stage.run("doctor", stage.book, "-o", "json")
    assert found.code == 2
    assert "problem" in {f["level"] for f in found.json["findings"]}


def test_doctor_has_nothing_to_say_of_a_job_that_can_be_watched(stage: Stage) -> None:
    text = "import json\nprint('[Step 1/1] all')\nprint(json.dumps({'status': 'SUCCESS'}))\n"
    stage.lay("one", files={"one.py": text}, verify=[{"task": "one", "expect": "failed == 0"}])
    assert "task one" not in stage.run("doctor", stage.book).out


def test_diagnose_prints_one_object_of_the_documented_shape(stage: Stage) -> None:
    (stage.root / "driver.log").write_text(LOG)
    from_file = stage.run("diagnose", "--log", "driver.log", "-o", "json")
    from_stdin = stage.run("diagnose", "--log", "-", "-o", "json", given=LOG)
    for done in (from_file, from_stdin):
        found = done.json
        assert done.code == 0
        assert set(found) >= DIAGNOSED
        assert (found["verdict"], found["entry"]) == ("diagnosed", "python.module-not-found")
        assert (found["category"], found["remedy"]) == ("dependency", "fix")
        assert found["parameters"]["module"] == "cv2"
        assert {"line": 5, "text": LOG.splitlines()[4]}.items() <= found["evidence"][0].items()
    told = stage.run("diagnose", "--log", "driver.log").out
    assert told.startswith("dependency · ")
    assert "driver.log:5" in told
    assert "runmend can: fixer missing_module" in told


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("", "no_failure"), ("all 3 files done\n", "no_failure"), ("Gzrk: qpf wobbled\n", None)],
)
def test_diagnose_exits_0_whatever_it_finds(stage: Stage, text: str, verdict: str | None) -> None:
    done = stage.run("diagnose", "--log", "-", "-o", "json", given=text)
    assert done.code == 0
    assert done.json["verdict"] in ({verdict} if verdict else {"no_failure", "not_determined"})
    assert done.json["entry"] is None


def test_diagnose_reads_many_texts_and_says_which_line_is_wrong(stage: Stage) -> None:
    rows = [{"id": "a", "text": LOG}, {"id": "b", "text": "fine\n"}]
    given = "".join(json.dumps(row) + "\n" for row in rows)
    done = stage.run("diagnose", "--jsonl", "-", given=given)
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [row["id"] for row in found] == ["a", "b"]
    assert all(set(row) >= DIAGNOSED for row in found)
    done = stage.run("diagnose", "--jsonl", "-", given=given + "{}\n")
    assert done.code == 2
    assert "stdin:3" in done.err or "-:3" in done.err


@pytest.mark.slow
def test_diagnose_takes_five_megabytes_of_noise_and_shows_no_secret(stage: Stage) -> None:
    """Safety cases 8 and 45."""
    token = b"dapi" + b"0123456789abcdef" * 2
    noise = b"\x1b[31mx\x00\xff " * 100_000 + b"\n" + b"line of noise\n" * 300_000
    secret = b"raise ValueError\nModuleNotFoundError: No module named 'cv2' Bearer " + token + b"\n"
    done = stage.run("diagnose", "--log", "-", "-o", "json", given=noise + secret)
    assert done.json["entry"] == "python.module-not-found"
    assert done.json["evidence"][0]["line"] == 300_003
    assert token.decode() not in done.out
    assert "\\u001b" not in done.out


@pytest.mark.slow
def test_the_shipped_matrix_explains_itself(stage: Stage) -> None:
    assert "every example" in stage.run("matrix", "test").out
    done = stage.run("matrix", "explain", "ModuleNotFoundError: No module named 'cv2'")
    assert done.code == 0
    assert "python.module-not-found" in done.out


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "id": "own.entry",
        "title": "Ours",
        "category": "code_bug",
        "match": ["the moon is full"],
        "cause": "It is full.",
        "solution": "Wait.",
        "remedy": "escalate",
        "sources": ["https://example.org/moon"],
        "examples": ["the moon is full"],
        "counter_examples": ["the moon is new"],
        **changes,
    }


def test_ones_own_matrix_is_looked_through(stage: Stage) -> None:
    """Safety cases 9 and 10."""

    def lint(*entries: dict[str, Any]) -> tuple[int, str]:
        (stage.root / "own.yaml").write_text(json.dumps(entries))
        done = stage.run("matrix", "lint", "--matrix", "own.yaml")
        return done.code, done.out + done.err

    assert lint(entry()) == (0, "the matrix is sound\n")
    code, said = lint(
        entry(id="own.all", match=[".*"]),
        entry(id="own.slow", match=["(?=x)y"]),
        entry(id="own.fixer", match=["the sun"], remedy="fix", fixer="overwrite"),
    )
    assert code == 1
    assert "own.all: pattern '.*'" in said
    assert "own.slow: pattern '(?=x)y': not a linear-time" in said
    assert "overwrite" in said
    code, said = lint(entry(matches=["x"]))
    assert (code, 'did you mean "match"' in said) == (2, True)


def test_the_schema_of_a_playbook_is_the_published_one(stage: Stage) -> None:
    root = Path(__file__).parents[2]
    published = json.loads((root / "playbooks" / "playbook.schema.json").read_text())
    assert stage.run("playbook", "schema").json == published


def test_an_edited_a_cut_and_a_re_ordered_journal_are_found_and_nothing_starts(
    stage: Stage,
) -> None:
    """Safety case 65."""
    stage.lay("one", files=LOST_FILE)
    case = stage.object()["case"]
    done = stage.run("audit", "verify")
    assert (done.code, "the chain holds" in done.out) == (0, True)
    for number, change in enumerate(
        (
            "update events set body = replace(body, 'fixer:', 'person:') where kind = 'proposed'",
            "delete from events where kind = 'proposed'",
            "update events set seq = 99 - seq",
        )
    ):
        copy = stage.root / f"state-{number}"
        shutil.copytree(stage.state, copy)
        with sqlite3.connect(copy / "journal.sqlite") as journal:
            journal.execute(change)
        journal.close()
        done = stage.run("audit", "verify", RUNMEND_STATE=str(copy))
        assert done.code == 1, done
        assert "event" in done.out
        assert stage.run("resume", case, RUNMEND_STATE=str(copy)).code == 2


def test_a_scripted_model_is_served_until_it_is_stopped(stage: Stage) -> None:
    (stage.root / "script.yaml").write_text("- decline: not today\n")
    with stage.driving("simulate", "model", "--script", "script.yaml") as server:
        assert server.stdout is not None
        assert "scripted model on http://127.0.0.1:" in server.stdout.readline()
        server.terminate()
        assert server.wait(30) == 143
    assert stage.run("simulate", "model", "--script", "missing.yaml").code == 2


def test_help_names_every_exit_code(stage: Stage) -> None:
    done = stage.run("--help")
    assert done.code == 0
    said = " ".join(done.out.split())
    for code in ("0 verified", "1 still", "2 wrong", "3 waiting", "4 rejected", "5 approval"):
        assert code in said
    for code in ("6 auth", "7 unreach", "8 budget", "9 partial", "10 held", "11 cancel", "130/143"):
        assert code in said


@pytest.mark.parametrize("words", [("--help",), ("heal", "none.yaml", "-o", "json")])
def test_the_installed_script_does_what_the_tests_commands_do(
    stage: Stage, words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [RUNMEND, *words],
        cwd=stage.root,
        env=stage.env(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == stage.run(*words)

"""Each benchmark runs on a tiny setting, and ends with 1 where its bound is missed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
GREEN_BUT_WRONG = """\
- name: makes something else
  expect: healed
  job: "tasks: [{task_key: only, spark_python_task: {python_file: only.py}}]"
  files: {only.py: "open('data/out.txt', 'w').write('41')"}
  makes: {data/out.txt: "42"}
"""


def bench(tmp_path: Path, name: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run a benchmark; return its exit code and figures."""
    file = tmp_path / "figures.json"
    argv = [sys.executable, BENCHMARKS / f"{name}.py", "--json", file, *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert file.is_file(), done.stderr
    return done.returncode, json.loads(file.read_text())


def values(found: dict[str, Any]) -> dict[str, float]:
    return {figure["name"]: figure["value"] for figure in found["figures"]}


@pytest.mark.parametrize(("bound", "code"), [("1000", 0), ("0", 1)])
def test_overhead_is_told_in_bare_starts(tmp_path: Path, bound: str, code: int) -> None:
    options = ("--runs", "1", "--help-bound", "1000", "--heal-bound", bound)
    ended, found = bench(tmp_path, "overhead", *options)
    assert ended == code
    assert found["holds"] == (code == 0)
    assert min(values(found).values()) > 1


def test_healing_tells_healed_from_left_alone(tmp_path: Path) -> None:
    only = ("--only", "job file, unknown key", "--only", "an assertion fails")
    ended, found = bench(tmp_path, "healing", *only)
    assert ended == 0
    assert [job["runmend"]["outcome"] for job in found["jobs"]] == ["healed", "left"]
    assert [job["retry_only"]["outcome"] for job in found["jobs"]] == ["left", "left"]
    assert values(found)["model tokens"] == 0


def test_healing_fails_on_a_job_that_is_declared_well_and_is_not(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(GREEN_BUT_WRONG)
    ended, found = bench(tmp_path, "healing", "--jobs", str(tmp_path / "jobs.yaml"))
    assert ended == 1
    assert values(found)["wrongly healed"] == 1


def test_durability_finds_no_difference_after_a_crash(tmp_path: Path) -> None:
    ended, found = bench(tmp_path, "durability", "--moments", "1", "--seed", "1")
    assert ended == 0
    assert values(found)["crashed cases"] == 1
    assert found["differing"] == []


def test_durability_fails_beyond_its_bound(tmp_path: Path) -> None:
    ended, found = bench(tmp_path, "durability", "--moments", "0", "--bound", "-1")
    assert ended == 1
    assert not found["holds"]


def test_diagnosis_is_scored_beside_a_baseline(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    row = {"id": "1", "text": "ModuleNotFoundError: No module named 'cv2'"}
    texts.write_text(json.dumps(row | {"category": "dependency"}) + "\n")
    ended, found = bench(tmp_path, "diagnosis", str(texts), "--only")
    assert ended == 0
    scored = found["sets"]["texts"]
    assert scored["runmend"]["category_right"] == scored["baseline"]["category_right"] == 1.0
    assert scored["runmend"]["by_category"] == {"dependency": "1/1"}
    assert scored["runmend"]["evidence_valid"] == 1.0


def test_diagnosis_fails_beyond_its_bound(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    row = {"id": "1", "text": "ModuleNotFoundError: No module named 'cv2'"}
    texts.write_text(json.dumps(row | {"category": "network"}) + "\n")
    ended, found = bench(tmp_path, "diagnosis", str(texts), "--only")
    assert ended == 1
    assert values(found)["texts: confident_wrong"] == 1.0


def test_a_log_of_any_make_is_read_in_bounded_memory(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    row = {"id": "1", "text": "ModuleNotFoundError: No module named 'cv2'"}
    texts.write_text(json.dumps(row | {"category": "dependency"}) + "\n")
    sized = ("--only", "--speed", "--megabytes", "4")
    _, found = bench(tmp_path, "diagnosis", str(texts), *sized)
    assert values(found)["peak memory, MB"] < 400
    assert values(found)["logs whose end was missed"] == 0
    assert values(found)["share of a re.search loop"] < 1 / 20


def test_polling_stands_beside_its_baselines(tmp_path: Path) -> None:
    ended, found = bench(tmp_path, "polling", "--rounds", "2")
    assert ended == 0
    assert len(found["rows"]) == 1 + 4 * 3 * 5
    assert {row[-1] for row in found["rows"][1:]} <= {"yes", "yes, p95 too", "no"}
    assert values(found)["median delay, ours / baseline"] < 1

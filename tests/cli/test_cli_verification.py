"""What success means: exit values, items, tables, files, SQL, commands, the last good run."""

import json
from typing import Any

import pytest
from cli_stage import Stage, script, sql

LOAD = {"load.sql": "create or replace table sales as select range as id from range(3);\n"}


def says(value: dict[str, Any]) -> dict[str, str]:
    """Return a script whose structured exit value this is."""
    return {"one.py": f"print({json.dumps(json.dumps(value))})\n"}


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["outcome"] for check in found["checks"]}


@pytest.mark.parametrize(
    "value",
    [
        {"status": "SUCCESS", "total": 3, "successful": 2, "failed": 1},
        {"status": "FAILED"},
        {"total": 2, "succeeded": 1, "failures": [{"name": "north", "error": "boom"}]},
        {"success": False},
    ],
)
def test_a_green_task_that_reports_failed_items_is_no_success(
    stage: Stage, value: dict[str, Any]
) -> None:
    stage.lay("one", files=says(value))
    found = stage.object()
    assert (found["exit_code"], found["verified"]) == (1, False)
    failure = found["iterations"][0]["failures"][0]
    assert (failure["phase"], failure["code"], failure["task"]) == (
        "verify",
        "VERIFY_FAILED",
        "one",
    )


def test_checks_that_hold_are_told_with_what_they_saw(stage: Stage) -> None:
    (stage.root / "checks").mkdir()
    command = (
        "import os, pathlib; assert pathlib.Path(os.environ['RUNMEND_TREE'], 'job.yaml').exists()"
    )
    (stage.root / "checks" / "tree.py").write_text(command)
    stage.lay(
        script("one"),
        sql("load"),
        files={**LOAD, **says({"status": "SUCCESS", "failed": 0}), "data/out.csv": "id,day\n1,2\n"},
        verify=[
            {"task": "one", "expect": "failed == 0"},
            {"table": "sales", "columns": ["id"], "rows": ">= 3"},
            {"file": "data/out.csv", "columns": ["id", "day"], "rows": 1},
            {"sql": "select count(*) = 3 from sales"},
            {"command": ["python", "checks/tree.py"]},
        ],
    )
    done = stage.heal()
    assert done.code == 0
    assert "6 checks hold" in done.err
    assert "3 rows" in done.out
    assert "no baseline" in done.out


def test_each_kind_of_check_that_does_not_hold_fails_the_run(stage: Stage) -> None:
    (stage.root / "no.py").write_text("raise SystemExit('totals differ by 7')\n")
    stage.lay(
        script("one"),
        sql("load"),
        files={**LOAD, **says({"failed": 0, "rows": 2}), "data/out.csv": "id\n1\n"},
        verify=[
            {"task": "one", "expect": "rows >= 3"},
            {"table": "sales", "rows": ">= 4"},
            {"table": "gone"},
            {"file": "data/out.csv", "columns": ["id", "day"]},
            {"sql": "select count(*) = 0 from sales"},
            {"command": ["python", "no.py"]},
        ],
    )
    found = stage.object()
    assert found["exit_code"] == 1
    assert list(outcomes(found).values()) == ["held", *["failed"] * 6]
    failures = found["iterations"][0]["failures"]
    assert {f["code"] for f in failures} == {"VERIFY_FAILED"}
    said = " ".join(f["message"] for f in failures)
    for words in ("rows = 2", "3 rows; expected >= 4", "gone", "day", "expected true", "totals"):
        assert words in said, words


def test_what_cannot_be_looked_at_is_unknown_and_neither_good_nor_bad(stage: Stage) -> None:
    book = stage.lay("one", files={"one.py": "print(1)\n"}, verify=[{"table": "sales"}])
    job = stage.job / "job.yaml"
    job.write_text(job.read_text().replace("database: data/db.duckdb\n", ""))
    done = stage.heal(book)
    assert done.code == 0
    assert "not verified" in done.out
    assert "unknown: table sales" in done.out
    assert not stage.show(stage.case())["verified"]


@pytest.mark.slow
def test_a_run_that_differs_much_from_the_last_good_one_is_flagged(stage: Stage) -> None:
    stage.lay(sql("load"), files=LOAD, verify=[{"table": "sales"}])
    assert stage.object()["checks"][-1]["flag"] == "no baseline"
    assert stage.object()["checks"][-1]["flag"] is None
    more = LOAD["load.sql"].replace("range(3)", "range(9)").replace("as id", "as number")
    stage.write({"load.sql": more})
    found = stage.object()
    assert found["exit_code"] == 0
    flag = found["checks"][-1]["flag"]
    assert "9 rows, last good run 3" in flag
    assert "without id; new number" in flag


BATCH = """\
import json, traceback
failed, errors = [], {}
for name in ("north", "south", *(f"r{n}" for n in range(18))):
    try:
        if name == "north":
            open("in.csv").close()
        if name == "south" and SOUTH:
            raise RuntimeError("the south has no customs office")
    except Exception:
        failed.append(name)
        errors[name] = traceback.format_exc()
value = {"status": "partial" if failed else "SUCCESS", "total": 20, "successful": 20 - len(failed)}
print(json.dumps(value | {"failed": len(failed), "failed_items": failed, "errors": errors}))
"""


@pytest.mark.parametrize(("south", "code"), [(False, 0), (True, 9)])
def test_failed_items_are_fixed_one_by_one_and_what_stays_is_named(
    stage: Stage, south: bool, code: int
) -> None:
    stage.lay(
        "batch",
        files={"batch.py": BATCH.replace("SOUTH", str(south)), "data/in.csv": "x\n"},
        approve={"mode": "auto"},
    )
    found = stage.object()
    assert found["exit_code"] == code, found["reason"]
    first = found["iterations"][0]
    assert [f["item"] for f in first["failures"]] == ["north", "south"][: 1 + south]
    assert first["patch"]["author"] == "fixer:relative_path"
    assert found["items"] == (["batch: south"] if south else [])
    assert found["verified"] is not south


def test_below_the_threshold_it_is_no_partial_success(stage: Stage) -> None:
    value = {"total": 10, "successful": 8, "failed_items": ["north", "south"]}
    stage.lay("one", files=says(value))
    assert stage.object()["exit_code"] == 1
    stage.playbook(partial=0.8)
    found = stage.object()
    assert (found["exit_code"], found["verdict"]) == (9, "partial")
    assert found["items"] == ["one: north", "one: south"]

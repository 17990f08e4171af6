"""Trying again, and when to stop: reruns on their own budget, limits, no progress."""

import os
from datetime import datetime

import pytest
import yaml
from cli_stage import LOST_FILE, TRANSIENT, Stage, script, sql

QUICK = {"mode": "auto"}


TIDE = {
    "id": "tide.out",
    "title": "The tide is out",
    "category": "external_system",
    "match": ["the tide is out"],
    "cause": "The tide is out.",
    "solution": "Wait for it.",
    "remedy": "rerun",
    "transient": True,
    "wait": "200ms",
    "sources": ["our own"],
    "examples": ["RuntimeError: the tide is out"],
    "counter_examples": ["the tide is in"],
}
"""A transient failure of one's own, which needs no minutes of waiting."""


def transient(stage: Stage, fails: int) -> dict[str, str]:
    """Return a script that fails so often, and write the matrix that knows why."""
    (stage.root / "own.yaml").write_text(yaml.safe_dump([TIDE]))
    text = TRANSIENT.replace("FAILS", str(fails))
    return {"one.py": text}


def test_a_transient_failure_is_run_again_and_takes_no_iteration(stage: Stage) -> None:
    stage.lay("one", files=transient(stage, 1), idempotent=True)
    done = stage.heal(stage.book, "--matrix", "own.yaml")
    assert done.code == 0
    assert "running again in" in done.err
    assert "after 1 rerun" in done.out
    found = stage.show(stage.case())
    assert (found["verdict"], found["healed_in"]) == ("healthy", 0)
    assert [r["author"] for r in found["iterations"][0]["reruns"]] == ["rerun"]
    assert [r["kind"] for r in found["iterations"][0]["runs"]] == ["first", "rerun"]


@pytest.mark.slow
def test_reruns_have_a_budget_of_their_own_and_back_off(stage: Stage) -> None:
    stage.lay("one", files=transient(stage, 99), idempotent=True, limits={"reruns": 2})
    found = stage.object("--matrix", "own.yaml")
    assert (found["verdict"], found["exit_code"]) == ("escalated", 1)
    assert (stage.job / "data" / "tries").read_text() == "3"
    assert "did not help" in found["reason"]
    first, second, third = (
        datetime.fromisoformat(r["started"]) for r in found["iterations"][0]["runs"]
    )
    assert (second - first).total_seconds() >= 0.2
    assert (third - second).total_seconds() >= 0.4


def test_a_task_that_may_have_written_is_not_run_again_without_a_person(stage: Stage) -> None:
    """Rule 9: an INSERT twice is two rows, unless the playbook says that it is harmless."""
    load = "create table if not exists t (id int);\ninsert into t values (1);\n"
    transient(stage, 0)
    tasks = (script("one"), sql("load"))
    files = {"load.sql": f"{load}select error('the tide is out');\n", "one.py": "print(1)\n"}
    stage.lay(*tasks, files=files)
    found = stage.object("--matrix", "own.yaml")
    patch = found["iterations"][0]["patch"]
    assert (found["exit_code"], patch["author"]) == (3, "rerun"), found["reason"]
    assert patch["risk"] == "ask"
    assert "load" in patch["effects"][0]["detail"]
    assert patch["rerun"] == ["load"], "a task that ended well would run again"
    assert stage.run("reject", found["case"], patch["id"]).code == 0
    stage.playbook(idempotent=["load"], limits={"reruns": 1})
    again = stage.object("--matrix", "own.yaml")
    assert again["exit_code"] == 1
    assert again["iterations"][0]["reruns"][0]["decision"]["by"] == "policy"


def test_a_fix_that_changes_nothing_about_the_failure_ends_the_case(stage: Stage) -> None:
    """Safety case 30."""
    same = "raise FileNotFoundError(2, 'No such file or directory', 'in' + '.csv')\n"
    stage.lay("one", files={**LOST_FILE, "one.py": LOST_FILE["one.py"] + same})
    found = stage.object("--mode", "auto")
    assert found["exit_code"] == 1
    assert "no progress" in found["reason"]
    assert found["healed_in"] == 1


@pytest.mark.slow
def test_three_iterations_are_the_most(stage: Stage) -> None:
    names = ("a", "b", "c", "d")
    files = {f"data/{n}.csv": "x\n" for n in names}
    opened = "".join(f"open('{n}.csv')\n" for n in names)
    stage.lay("one", files={**files, "one.py": opened}, approve=QUICK)
    found = stage.object()
    assert (found["exit_code"], found["healed_in"]) == (1, 3)
    assert "all 3 iterations are used up" in found["reason"]
    assert len(found["iterations"]) == 3
    stage.write({"one.py": opened.replace("open('d.csv')\n", "")})
    assert stage.object()["verdict"] == "healed"


def test_only_what_failed_and_what_depends_on_it_runs_again(stage: Stage) -> None:
    log = "with open('data/ran', 'a') as log: log.write('{} ')\n"
    files = {f"{n}.py": log.format(n) for n in ("first", "last")}
    files |= LOST_FILE | {"one.py": log.format("one") + LOST_FILE["one.py"]}
    stage.lay("first", "one", "last", files=files, approve=QUICK, idempotent=True)
    found = stage.object()
    assert found["verdict"] == "healed"
    assert (stage.job / "data" / "ran").read_text() == "first one one last "
    assert found["iterations"][0]["patch"]["rerun"] == ["one", "last"]


def test_a_wrong_job_file_is_a_failure_of_create_and_healed(stage: Stage) -> None:
    stage.lay(script("one", timeout_second=30), files={"one.py": "print(1)\n"}, approve=QUICK)
    found = stage.object()
    failure = found["iterations"][0]["failures"][0]
    assert (failure["phase"], failure["code"]) == ("create", "JOB_INVALID")
    assert 'did you mean "timeout_seconds"' in failure["message"]
    assert found["iterations"][0]["patch"]["author"] == "fixer:job_declaration"
    assert (found["verdict"], found["exit_code"]) == ("healed", 0)


def test_an_environment_that_cannot_be_built_escalates_with_the_installers_lines(
    stage: Stage,
) -> None:
    installer = stage.root / "bin" / "uv"
    installer.parent.mkdir()
    installer.write_text(
        "#!/bin/sh\necho resolving\necho 'error: no such thing: gone' >&2\nexit 2\n"
    )
    installer.chmod(0o755)
    stage.lay(script("one", environment_key="env"), files={"one.py": "print(1)\n"})
    job = stage.job / "job.yaml"
    spec = "environments: [{environment_key: env, spec: {dependencies: [gone]}}]\n"
    job.write_text(spec + job.read_text())
    found = stage.object(PATH=f"{installer.parent}:{os.environ['PATH']}")
    assert found["exit_code"] == 1
    failure = found["iterations"][0]["failures"][0]
    assert (failure["phase"], failure["code"]) == ("create", "ENVIRONMENT_FAILED")
    assert [(line["source"], line["text"]) for line in failure["tail"]] == [
        ("environment", "resolving"),
        ("environment", "error: no such thing: gone"),
    ]

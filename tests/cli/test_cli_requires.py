"""What must be there first: other playbooks in order, tables and files."""

from typing import Any

from cli_stage import LOST_FILE, Stage, sql


def trail(stage: Stage, *names: str, broken: str = "", **keys: dict[str, Any]) -> None:
    """Write one job per name that logs its run, and a playbook each with these keys."""
    for name in names:
        text = f"with open('data/trail', 'a') as log: log.write('{name} ')\n"
        stage.lay(name, files={f"{name}.py": text + ("open('in.csv')\n" if name == broken else "")})
        (stage.job / "job.yaml").rename(stage.job / f"{name}.job.yaml")
        stage.playbook(f"{name}.yaml", job={"file": f"{name}.job.yaml"}, **keys.get(name, {}))


def ran(stage: Stage) -> str:
    log = stage.job / "data" / "trail"
    return log.read_text().strip() if log.exists() else ""


def run_first(*names: str) -> dict[str, Any]:
    return {"requires": [{"playbook": f"{n}.yaml", "on_missing": "run"} for n in names]}


def test_required_playbooks_run_first_in_order_each_as_its_own_case(stage: Stage) -> None:
    trail(stage, "a", "b", "c", b=run_first("a"), c=run_first("b", "a"))
    done = stage.run("heal", "c.yaml", "-o", "json")
    assert (done.code, done.json["playbook"]) == (0, "c")
    assert ran(stage) == "a b c"
    rows = stage.run("cases", "-o", "json").json["cases"]
    assert [(r["playbook"], r["verdict"]) for r in rows] == [
        ("a", "healthy"),
        ("b", "healthy"),
        ("c", "healthy"),
    ]
    assert stage.run("heal", "c.yaml").code == 0
    assert ran(stage) == "a b c c", "what ended well was run again"


def test_a_circle_is_one_error_that_names_it_and_nothing_runs(stage: Stage) -> None:
    trail(stage, "a", "b", "c", a=run_first("c"), b=run_first("a"), c=run_first("b"))
    done = stage.run("heal", "c.yaml", "-o", "json")
    assert done.code == 2
    assert "in a circle: c -> b -> a -> c" in done.json["error"]
    assert len(done.err.splitlines()) == 1
    assert stage.run("playbook", "check", "c.yaml").code == 2
    assert ran(stage) == ""
    assert not stage.state.exists()


def test_a_required_playbook_that_never_ended_well_fails_create_with_what_to_do(
    stage: Stage,
) -> None:
    trail(stage, "a", "b", b={"requires": [{"playbook": "a.yaml"}]})
    done = stage.run("heal", "b.yaml", "-o", "json")
    assert (done.code, done.json["verdict"]) == (1, "escalated")
    failure = done.json["iterations"][0]["failures"][0]
    assert failure["code"] == "REQUIREMENT_MISSING"
    assert f"runmend heal {stage.root / 'a.yaml'}" in failure["message"]
    assert ran(stage) == ""
    assert stage.run("heal", "a.yaml").code == 0
    assert stage.run("heal", "b.yaml").code == 0


def test_a_required_playbook_asks_under_its_own_approvals_and_the_other_waits(
    stage: Stage,
) -> None:
    trail(stage, "a", "b", broken="a", b=run_first("a") | {"approve": {"mode": "auto"}})
    stage.write({"data/in.csv": LOST_FILE["data/in.csv"]})
    done = stage.run("heal", "b.yaml", "-o", "json")
    assert (done.code, done.json["playbook"], done.json["verdict"]) == (3, "a", "waiting")
    assert ran(stage) == "a"
    patch = done.json["iterations"][0]["patch"]["id"]
    assert stage.run("approve", done.json["case"], patch).code == 0
    assert stage.run("heal", "b.yaml").code == 0
    assert ran(stage) == "a a b"


def test_a_required_playbook_that_cannot_be_mended_ends_the_whole_with_its_report(
    stage: Stage,
) -> None:
    trail(stage, "a", "b", broken="a", b=run_first("a"))
    done = stage.run("heal", "b.yaml")
    assert done.code == 1
    assert f"b waits for a; then: runmend heal {stage.root / 'b.yaml'}" in done.err
    assert "a on local" in done.out
    assert ran(stage) == "a"


def test_a_required_table_or_file_that_is_missing_is_named_before_anything_runs(
    stage: Stage,
) -> None:
    files = {"load.sql": "create or replace table t as select 1 as id;\n"}
    stage.lay(sql("load"), files=files, requires=[{"table": "orders", "rows": ">= 2"}])
    found = stage.object()
    assert found["exit_code"] == 1
    assert "table orders" in found["iterations"][0]["failures"][0]["message"]
    assert found["iterations"][0]["runs"] == []
    stage.playbook(requires=[{"file": "data/in.csv"}])
    assert "data/in.csv" in stage.object()["iterations"][0]["failures"][0]["message"]
    stage.write({"data/in.csv": "id\n1\n"})
    assert stage.object()["exit_code"] == 0
    stage.playbook(requires=[{"table": "t", "rows": ">= 2"}])
    failed = stage.object()["iterations"][0]["failures"][0]
    assert (failed["code"], "1 rows" in failed["message"]) == ("REQUIREMENT_MISSING", True)
    stage.playbook(requires=[{"table": "t", "rows": ">= 1"}])
    assert stage.object()["exit_code"] == 0

"""Every exit code that can occur on this machine, from real processes, and what comes with it."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from cli_stage import (
    COLUMN,
    LOST_FILE,
    RUNMEND,
    SLOW,
    UNKNOWN,
    Stage,
    alive,
    script,
    sql,
    until,
)

GOOD = {"one.py": "print('fine')\n"}


def test_a_healthy_job_exits_0_and_its_card_is_on_stdout(stage: Stage) -> None:
    stage.lay("one", files=GOOD)
    done = stage.heal()
    assert done.code == 0
    assert done.out.startswith("healthy, verified, ")
    assert "0 tokens" in done.out
    assert "one ok" in done.out
    assert "run       one ok" in done.err


def test_a_broken_job_is_healed_and_the_printed_command_takes_the_fix_over(stage: Stage) -> None:
    stage.lay(sql("total"), files=COLUMN, approve={"mode": "auto"})
    found = stage.object()
    assert (found["verdict"], found["exit_code"], found["verified"]) == ("healed", 0, True)
    assert [i["patch"]["author"] for i in found["iterations"]] == ["fixer:rename_column"]
    assert "amuont" in (stage.job / "total.sql").read_text(), "the source was touched"
    assert stage.typed(found["next"]) == 0
    assert "amuont" not in (stage.job / "total.sql").read_text()
    assert stage.object()["verdict"] == "healthy"


def test_what_nobody_can_mend_exits_1_with_a_report(stage: Stage) -> None:
    stage.lay("one", files={"one.py": UNKNOWN})
    done = stage.heal()
    assert done.code == 1
    assert "still failing" in done.out
    assert "the flux of the moon" in done.out
    folder = stage.state / "cases" / stage.case()
    for name in ("report.md", "report.html", "report.json", "junit.xml"):
        assert "the flux of the moon" in (folder / name).read_text(), name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["heel", "book.yaml"], "No such command 'heel'. Did you mean 'heal'?"),
        (["heal", "missing.yaml"], "missing.yaml: cannot be read"),
        (["heal"], "playbook"),
        (["heal", "book.yaml", "--mode", "yolo"], "'yolo' is not one of"),
        (["diagnose", "--log", "missing.log"], "missing.log cannot be read"),
        (["diagnose"], "--log FILE, --jsonl FILE or --run ID"),
        (["show", "abc"], "no case with an id that starts with 'abc'"),
        (["resume", "abc"], "no case with an id that starts with 'abc'"),
        (["approve", "abc", "1234"], "no case with an id that starts with 'abc'"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_do(
    stage: Stage, arguments: list[str], said: str
) -> None:
    stage.state.mkdir()
    done = stage.run(*arguments, "-o", "json")
    assert (done.code, done.json["exit_code"], done.json["case"]) == (2, 2, None)
    assert said in done.json["error"]
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_a_state_folder_that_is_not_there_is_said_and_not_made(stage: Stage) -> None:
    done = stage.run("cases")
    assert done.code == 2
    assert "there is no state folder" in done.err
    assert not stage.state.exists()


def test_an_unknown_key_is_told_with_file_line_and_the_nearest_key(stage: Stage) -> None:
    book = stage.lay("one", files=GOOD, aprove={"mode": "auto"})
    line = book.read_text().splitlines().index("aprove:") + 1
    done = stage.heal()
    assert done.code == 2
    assert f'{book}:{line}: unknown key "aprove"; did you mean "approve"?' in done.err
    assert done.out == ""
    assert not stage.state.exists()


def test_a_waiting_patch_exits_3(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE)
    done = stage.heal()
    assert done.code == 3
    assert done.out.startswith("waiting for a person: case ")
    assert "[a]pprove" not in done.err


def test_a_rule_that_rejects_exits_4(stage: Stage) -> None:
    rules = [{"path": "one.py", "then": "reject"}]
    stage.lay("one", files=LOST_FILE, approve={"mode": "auto", "rules": rules})
    found = stage.object()
    assert (found["verdict"], found["exit_code"]) == ("rejected", 4)
    assert found["iterations"][0]["patch"]["decision"]["by"] == "rule 1"


@pytest.mark.parametrize("how", ["variable", "file"])
def test_the_kill_switch_exits_4_and_the_case_goes_on_once_it_is_off(
    stage: Stage, how: str
) -> None:
    stage.lay("one", files=GOOD)
    switch = stage.state / "READ_ONLY"
    stage.state.mkdir()
    env = {"RUNMEND_READ_ONLY": "1"} if how == "variable" else {}
    if how == "file":
        switch.touch()
    done = stage.heal(**env)
    assert done.code == 4
    assert "the kill switch is on" in done.out
    assert f"runmend resume {stage.case()}" in done.out
    assert not list((stage.state / "cases").glob("*/runs/*")), "something was started"
    switch.unlink(missing_ok=True)
    assert stage.run("resume", stage.case()).code == 0


def wait_for_expiry(stage: Stage) -> tuple[str, str]:
    """Heal up to a patch that waits, let its time pass; return case and patch."""
    stage.lay("one", files=LOST_FILE, approve={"expires": "2s"})
    found = stage.object()
    assert found["verdict"] == "waiting"
    patch = found["iterations"][0]["patch"]
    until(lambda: datetime.now(UTC) > datetime.fromisoformat(patch["expires_at"]))
    return found["case"], patch["id"]


def test_an_approval_that_expired_exits_5_and_is_not_called_rejected(stage: Stage) -> None:
    case, patch = wait_for_expiry(stage)
    done = stage.run("resume", case)
    assert done.code == 5
    assert "Expired is not rejected" in done.out
    assert stage.show(case)["verdict"] == "expired"
    late = stage.run("approve", case, patch)
    assert late.code == 4
    assert "waits for no decision" in late.err


@pytest.mark.slow
def test_approving_too_late_exits_5(stage: Stage) -> None:
    """Safety case 38."""
    case, patch = wait_for_expiry(stage)
    done = stage.run("approve", case, patch, "-o", "json")
    assert (done.code, done.json["exit_code"], done.json["verdict"]) == (5, 5, "expired")
    assert stage.show(case)["verdict"] == "expired"


@pytest.mark.parametrize("closed", ["state", "job"])
def test_what_may_not_be_read_exits_6(stage: Stage, closed: str) -> None:
    stage.lay("one", files=GOOD)
    place = stage.root / closed
    place.mkdir(exist_ok=True) if closed == "state" else None
    place.chmod(0)
    try:
        done = subprocess.run(
            [*without_privileges(), "heal", stage.book, "-o", "json"],
            cwd=stage.root,
            env=stage.env(),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        place.chmod(0o700)
    assert done.returncode == 6, done.stderr
    assert json.loads(done.stdout)["exit_code"] == 6
    assert json.loads(done.stdout)["verdict"] == "unauthorized"
    assert str(place) in done.stderr
    assert "Traceback" not in done.stderr


def without_privileges() -> list[str]:
    """Return the command as somebody for whom permissions count: root gives two capabilities up."""
    if os.getuid() != 0:
        return [str(RUNMEND)]
    if sys.platform != "linux":
        pytest.skip("root may read everything here")
    # PR_CAPBSET_DROP of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH; an exec then has neither:
    # https://man7.org/linux/man-pages/man7/capabilities.7.html
    drop = "import ctypes, os, sys; c = ctypes.CDLL(None); c.prctl(24, 1); c.prctl(24, 2); "
    return [sys.executable, "-c", f"{drop}os.execv(sys.argv[1], sys.argv[1:])", str(RUNMEND)]


def test_a_run_past_its_deadline_is_stopped_and_exits_8(stage: Stage) -> None:
    stage.lay("slow", files={"slow.py": SLOW}, poll={"deadline": "300ms"})
    found = stage.object()
    assert (found["verdict"], found["exit_code"]) == ("exhausted", 8)
    assert "poll.deadline" in found["reason"]
    assert found["iterations"][0]["runs"][0]["state"] == "cancelled"
    assert not alive(stage.await_start())


def test_a_spent_wall_clock_exits_8_before_anything_new_begins(stage: Stage) -> None:
    stage.lay("one", files=LOST_FILE, approve={"mode": "auto"}, limits={"wall_clock": "1ms"})
    found = stage.object()
    assert (found["verdict"], found["exit_code"]) == ("exhausted", 8)
    assert "limits.wall_clock" in found["reason"]
    assert found["iterations"][0]["runs"] == []


def test_of_two_heals_at_once_one_goes_on_and_the_other_exits_10(stage: Stage) -> None:
    stage.lay("slow", files={"slow.py": SLOW})
    with stage.driving("heal", stage.book) as first:
        stage.await_start()
        case = stage.case()
        for command in (("heal", stage.book), ("resume", case)):
            second = stage.run(*command, "-o", "json")
            assert second.code == 10
            assert second.json["verdict"] == "held"
            assert f"process {first.pid}" in second.err
        stage.go()
        assert first.wait(60) == 0
    assert len(stage.starts()) == 1


def test_a_source_changed_between_approval_and_redeploy_exits_10(stage: Stage) -> None:
    """Safety case 37."""
    stage.lay("one", files=LOST_FILE)
    assert stage.heal().code == 3
    case, patch = stage.case(), stage.show(stage.case())["iterations"][0]["patch"]["id"]
    assert stage.run("approve", case, patch).code == 0
    mine = (stage.job / "one.py").read_text() + "# mine\n"
    (stage.job / "one.py").write_text(mine)
    done = stage.run("resume", case, "-o", "json")
    assert (done.code, done.json["verdict"]) == (10, "held")
    assert "one.py was changed meanwhile" in done.json["reason"]
    assert (stage.job / "one.py").read_text() == mine
    assert len(done.json["iterations"][0]["runs"]) == 1


def test_cancel_under_a_living_driver_ends_it_with_11_and_nothing_runs_on(stage: Stage) -> None:
    stage.lay("slow", files={"slow.py": SLOW})
    with stage.driving("heal", stage.book, "-o", "json") as driver:
        pid, case = stage.await_start(), stage.case()
        done = stage.run("cancel", case, "--reason", "wrong day")
        assert done.code == 0
        assert not alive(pid)
        out, _ = driver.communicate(timeout=60)
        assert driver.returncode == 11
    assert json.loads(out)["verdict"] == "cancelled"
    assert "wrong day" in json.loads(out)["reason"]
    assert stage.run("resume", case).code == 11


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_leaves_the_job_running_and_a_case_that_resume_attaches_to(
    stage: Stage, number: signal.Signals, code: int
) -> None:
    """Safety case 66."""
    stage.lay("slow", files={"slow.py": SLOW})
    with stage.driving("heal", stage.book, "-o", "json") as driver:
        pid = stage.await_start()
        driver.send_signal(number)
        out, err = driver.communicate(timeout=60)
    assert driver.returncode == code
    assert "Traceback" not in err
    said = json.loads(out)
    assert (said["verdict"], said["exit_code"]) == ("interrupted", code)
    assert said["next"] == f"runmend resume {said['case']}"
    assert alive(pid)
    stage.go()
    assert stage.run("resume", said["case"]).code == 0
    assert len(stage.starts()) == 1


def test_a_task_killed_from_outside_is_a_failure_and_not_a_crash(stage: Stage) -> None:
    stage.lay("slow", files={"slow.py": SLOW})
    with stage.driving("heal", stage.book, "-o", "json") as driver:
        os.kill(stage.await_start(), signal.SIGKILL)
        out, _ = driver.communicate(timeout=60)
    assert driver.returncode == 1
    assert json.loads(out)["iterations"][0]["failures"][0]["exit_code"] == -signal.SIGKILL


def test_partly_good_exits_9_and_names_the_failed_items(stage: Stage) -> None:
    value = {"status": "partial", "total": 20, "successful": 19, "failed_items": ["north"]}
    stage.lay(script("one"), files={"one.py": f"print({json.dumps(json.dumps(value))})\n"})
    found = stage.object()
    assert (found["verdict"], found["exit_code"]) == ("partial", 9)
    assert found["items"] == ["one: north"]
    assert not found["verified"]
    assert "FAILED: one: north" in stage.run("show", found["case"]).out

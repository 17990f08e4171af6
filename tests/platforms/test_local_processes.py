"""What a run's processes may do to us, and we to them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from contract import FINE, SLOW, Piece, Stage, deployed, ended, started, states, until, values
from local_stage import Local

from agent.errors import Unavailable
from agent.records import Repair, RunStatus, Tree

TASK = {"task_key": "main", "spark_python_task": {"python_file": "main.py"}}

DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("data/daemon", "w").write(str(os.getpid()))
        {then}
        time.sleep(300)
    os._exit(0)
os.wait()
while not os.path.exists("data/daemon") or not open("data/daemon").read():
    time.sleep(0.01)
"""
UNMARKED = 'os.execve("/bin/sleep", ["sleep", "300"], {})'

STARTER = """
import json, os, signal, sys
from pathlib import Path
from agent.platforms import Context, connect
from agent.playbook import Loaded
from agent.records import Deployment, Tree
said = json.loads(sys.argv[1])
platform = connect(Context(Loaded.model_validate(said["loaded"]), Path(said["folder"]),
                           Path(said["cache"])))
tree = Tree.model_validate(said["tree"])
platform.start("r1", Deployment.model_validate(said["deployment"]), tree, None)
os.kill(os.getpid(), signal.SIGKILL)
"""


def one(local: Local, text: str, **more: object) -> Stage:
    """A job of one script, with a data folder."""
    job = {"name": "nightly", "data": ["data"], "tasks": [TASK | more]}
    return local.stage(job, {"main.py": text, "data/.keep": ""})


def data(local: Local) -> Path:
    return local.folder / "source" / "data"


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def supervisor(local: Local, run: str) -> int:
    claim = local.folder / "case" / "runs" / run / "claim"
    return int(json.loads(claim.read_text())["pid"])


def task_pid(stage: Stage, run: str, file: Path) -> int:
    """Wait until the task has written its process id."""
    until(stage.platform, run, lambda _: file.is_file() and file.read_text() != "")
    return int(file.read_text())


def starter(local: Local, stage: Stage) -> subprocess.Popen[bytes]:
    said = {
        "loaded": stage.platform._context.loaded.model_dump(mode="json"),  # type: ignore[attr-defined]
        "folder": str(local.folder / "case"),
        "cache": str(local.cache),
        "tree": stage.tree.model_dump(mode="json"),
        "deployment": deployed(stage).model_dump(mode="json"),
    }
    return subprocess.Popen([sys.executable, "-c", STARTER, json.dumps(said)])


def test_a_run_lives_on_when_the_process_that_started_it_is_killed(local: Local) -> None:
    stage = one(local, "open('data/starts', 'a').write('x')\n" + FINE)
    assert starter(local, stage).wait() == -signal.SIGKILL
    run = started(stage)
    assert ended(stage, run).state == "succeeded"
    assert (data(local) / "starts").read_text() == "x"


def test_three_processes_that_start_the_same_key_start_one_run(local: Local) -> None:
    stage = one(local, "open('data/starts', 'a').write('x')\n" + FINE)
    racing = [starter(local, stage) for _ in range(3)]
    assert [process.wait() for process in racing] == [-signal.SIGKILL] * 3
    status = ended(stage, started(stage))
    assert status.state == "succeeded"
    assert status.tasks[0].attempt == 1
    assert (data(local) / "starts").read_text() == "x"


def test_a_request_without_a_claim_is_started_by_the_next_who_asks(local: Local) -> None:
    stage = one(local, FINE)
    run = started(stage)
    ended(stage, run)
    before = local.folder / "case" / "runs" / "r1"
    after = local.folder / "case" / "runs" / "r2"
    after.mkdir()
    asked = json.loads((before / "request.json").read_text()) | {"run": "r2", "mark": "r2-x"}
    (after / "request.json").write_text(json.dumps(asked))
    (status,) = stage.platform.poll(["r2"])
    assert (status.state, status.native) == ("running", "PENDING")
    assert ended(stage, started(stage, "r2")).state == "succeeded"


def test_a_run_cancelled_before_its_claim_never_starts(local: Local) -> None:
    stage = one(local, "open('data/starts', 'a').write('x')\n")
    ended(stage, started(stage))
    before = local.folder / "case" / "runs" / "r1"
    after = local.folder / "case" / "runs" / "r2"
    after.mkdir()
    asked = json.loads((before / "request.json").read_text()) | {"run": "r2", "mark": "r2-x"}
    (after / "request.json").write_text(json.dumps(asked))
    assert stage.platform.cancel("c", "r2").state == "cancelled"
    assert ended(stage, started(stage, "r2")).state == "cancelled"
    assert (data(local) / "starts").read_text() == "x"


def test_a_run_whose_supervisor_died_is_lost_and_nothing_of_it_lives(local: Local) -> None:
    stage = one(local, DAEMON.replace("{then}", "") + "import time\ntime.sleep(300)\n")
    run = started(stage)
    daemon = task_pid(stage, run.run, data(local) / "daemon")
    (main,) = [p for p in psutil.Process(supervisor(local, run.run)).children() if p.pid != daemon]
    os.kill(supervisor(local, run.run), signal.SIGKILL)
    status = ended(stage, run)
    assert (status.state, status.native) == ("failed", "LOST")
    assert gone(daemon)
    assert gone(main.pid)
    (failure,) = stage.platform.failures(status, stage.tree)
    assert (failure.code, failure.task, failure.started) == ("LOST", "main", True)
    assert started(stage) == run
    assert ended(stage, run) == status


def test_a_run_lost_between_two_tasks_has_a_failure_too(local: Local) -> None:
    waits = TASK | {"max_retries": 1, "min_retry_interval_millis": 600_000}
    stage = local.stage({"tasks": [waits]}, {"main.py": "raise SystemExit(1)"})
    run = started(stage)
    until(
        stage.platform, run.run, lambda s: s.tasks[0].attempt == 1 and s.tasks[0].state == "pending"
    )
    os.kill(supervisor(local, run.run), signal.SIGKILL)
    status = ended(stage, run)
    assert [f.code for f in stage.platform.failures(status, stage.tree)] == ["LOST"]


def test_a_stranger_with_the_claims_process_id_is_left_alone(local: Local) -> None:
    stage = one(local, SLOW)
    run = started(stage)
    until(stage.platform, run.run, lambda s: s.tasks[0].step is not None)
    os.kill(supervisor(local, run.run), signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    folder = local.folder / "case" / "runs" / "r1"
    (folder / "claim").write_text(json.dumps({"pid": stranger.pid}))
    kept = json.loads((folder / "status.json").read_text())
    kept["tasks"]["main"]["group"] = [stranger.pid, psutil.Process(stranger.pid).create_time() - 9]
    (folder / "status.json").write_text(json.dumps(kept))
    try:
        assert ended(stage, run).native == "LOST"
        assert stage.platform.cancel("c", run.run).native == "LOST"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


THEN = pytest.mark.parametrize(
    "then",
    ["pass", pytest.param(UNMARKED, marks=pytest.mark.slow)],
    ids=["marked", "without its environment"],
)


@THEN
def test_cancel_ends_a_daemon_that_ignores_sigterm(local: Local, then: str) -> None:
    if then == UNMARKED and sys.platform != "linux":
        pytest.skip("only Linux hands orphans to their supervisor")
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    stage = one(local, DAEMON.replace("{then}", then) + stubborn + "time.sleep(300)\n")
    run = started(stage)
    daemon = task_pid(stage, run.run, data(local) / "daemon")
    status = stage.platform.cancel("c1", run.run)
    assert status.state == "cancelled"
    assert gone(daemon)
    (failure,) = stage.platform.failures(status, stage.tree)
    assert failure.code == "CANCELED"


@THEN
def test_what_a_task_leaves_running_ends_with_it(local: Local, then: str) -> None:
    if then == UNMARKED and sys.platform != "linux":
        pytest.skip("only Linux hands orphans to their supervisor")
    stage = one(local, DAEMON.replace("{then}", then) + FINE)
    status = ended(stage, started(stage))
    assert status.state == "succeeded"
    assert gone(int((data(local) / "daemon").read_text()))
    assert "ended 1 processes that it had left running" in status.tasks[0].message
    assert set(values(status)["main"]) == {"id"}  # type: ignore[call-overload]


def test_a_run_is_not_ended_before_its_processes_are(local: Local) -> None:
    stage = one(local, DAEMON.replace("{then}", "") + FINE)
    run = started(stage)
    daemon = task_pid(stage, run.run, data(local) / "daemon")
    seen: list[tuple[str, bool]] = []

    def watch(status: RunStatus) -> bool:
        seen.append((status.state, gone(daemon)))
        return status.state != "running"

    until(stage.platform, run.run, watch)
    assert seen[0] == ("running", False)
    assert seen[-1] == ("succeeded", True)


@pytest.mark.slow
def test_a_task_that_ignores_sigterm_is_killed_after_its_time(local: Local) -> None:
    stubborn = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    stage = one(local, stubborn + "time.sleep(300)\n", timeout_seconds=1)
    status = ended(stage, started(stage))
    assert states(status) == {"main": "timed_out"}
    (failure,) = stage.platform.failures(status, stage.tree)
    assert failure.code == "TIMEDOUT"
    assert failure.message.startswith("timed out after ")
    assert failure.exit_code == -signal.SIGKILL


def test_a_run_that_takes_too_long_is_ended_as_a_whole(local: Local) -> None:
    after = {"task_key": "after", "depends_on": [{"task_key": "main"}]}
    tasks = [TASK, after | {"spark_python_task": {"python_file": "main.py"}}]
    stage = local.stage({"timeout_seconds": 1, "tasks": tasks}, {"main.py": SLOW})
    status = ended(stage, started(stage))
    assert (status.state, status.native) == ("failed", "TIMEDOUT")
    assert states(status) == {"main": "timed_out", "after": "cancelled"}


def test_a_task_that_kills_itself_is_told_by_its_signal(local: Local) -> None:
    stage = one(local, "import os\nos.kill(os.getpid(), 9)\n")
    status = ended(stage, started(stage))
    (failure,) = stage.platform.failures(status, stage.tree)
    assert failure.message == "killed by signal 9 (SIGKILL)"
    assert failure.exit_code == -9
    assert failure.log == ()


def test_a_task_that_dies_without_a_word_says_so(local: Local) -> None:
    stage = one(local, "import os\nos._exit(3)\n")
    status = ended(stage, started(stage))
    (failure,) = stage.platform.failures(status, stage.tree)
    assert (failure.message, failure.exit_code) == ("exit code 3 without a word", 3)


def test_stopping_the_supervisor_cancels_the_run(local: Local) -> None:
    stage = one(local, SLOW)
    run = started(stage)
    until(stage.platform, run.run, lambda s: s.tasks[0].step is not None)
    os.kill(supervisor(local, run.run), signal.SIGTERM)
    assert ended(stage, run).state == "cancelled"


def test_a_living_run_cannot_be_repaired(local: Local) -> None:
    stage = local.story(Piece("one", SLOW))
    run = started(stage)
    with pytest.raises(Unavailable, match="still runs"):
        started(stage, "r2", Repair(run=run.run, tasks=("one",)))
    stage.platform.cancel("c1", run.run)


def test_a_healthy_job_costs_little_more_than_its_command(local: Local) -> None:
    stage = one(local, "print('{}')\n")
    deployment = deployed(stage)
    began = time.monotonic()
    stage.platform.start("r1", deployment, stage.tree, None)
    pause = threading.Event()
    while stage.platform.poll(["r1"])[0].state == "running":
        pause.wait(0.005)
    assert time.monotonic() - began < 5.0  # 0.3 s on an idle machine; this only finds a stall


def test_a_tree_is_what_it_was(local: Local) -> None:
    stage = one(local, FINE)
    ended(stage, started(stage))
    assert isinstance(stage.tree, Tree)
    assert (Path(stage.tree.root) / "data").is_symlink()

"""Tasks run for real: notebooks, scripts and wheels from the workspace's files."""

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sim_real_stage import FOLDER, HEADER, ended, put, wire
from sim_runs_stage import create, look, model, results, start
from sim_sdk import client
from sim_shared import DEADLINE_S, PAUSE, served

from agent.simulators.databricks import Simulator


@pytest.fixture
def real(tmp_path: Path, cache: Path) -> Iterator[Simulator]:
    """Give a served workspace on the machine's own time."""
    with served(Simulator(tmp_path / "workspace", cache=cache)) as simulator:
        yield simulator


@pytest.mark.slow
def test_notebooks_and_scripts_run_for_real_and_hand_on_values(real: Simulator) -> None:
    http = wire(real)
    put(http, f"{FOLDER}/factor.txt", "2", "RAW")
    shared = "def double(x):\n    return int(open('factor.txt').read()) * x\n"
    put(http, f"{FOLDER}/shared.py", shared)
    first = (
        f"{HEADER}import shared\n# COMMAND ----------\n"
        "rows = shared.double(int(dbutils.widgets.get('rows')))\n"
        "print('[Step 1/1] counted', rows)\n"
        "dbutils.jobs.taskValues.set('rows', rows)\n"
        "# COMMAND ----------\n"
        'dbutils.notebook.exit(\'{"status": "ok"}\')\n'
    )
    put(http, f"{FOLDER}/count.py", first)
    put(http, f"{FOLDER}/tell.py", "import sys\nprint('got', *sys.argv[1:])\n")
    broken = f"{HEADER}x = {{'a': 1}}\n# COMMAND ----------\nprint('before')\nx['b']\n"
    put(http, f"{FOLDER}/broken.py", broken)
    words = ["{{tasks.count.values.rows}}", "{{job.parameters.rows}}", "{{what.is.this}}"]
    job_id = create(
        http,
        {"task_key": "count", "notebook_task": {"notebook_path": f"{FOLDER}/count"}},
        {
            "task_key": "tell",
            "depends_on": [{"task_key": "count"}],
            "spark_python_task": {"python_file": f"{FOLDER}/tell.py", "parameters": words},
        },
        {"task_key": "broken", "notebook_task": {"notebook_path": f"{FOLDER}/broken"}},
        {"task_key": "gone", "notebook_task": {"notebook_path": f"{FOLDER}/nowhere"}},
        parameters=[{"name": "rows", "default": "3"}],
    )
    run = ended(http, start(http, job_id, job_parameters={"rows": "21"}))
    assert results(run) == {
        "count": "SUCCESS",
        "tell": "SUCCESS",
        "broken": "FAILED",
        "gone": "FAILED",
    }
    count, tell, bad, gone = (t["run_id"] for t in run["tasks"])
    jobs = client(real).jobs
    output = jobs.get_run_output(count)
    assert output.notebook_output is not None
    assert output.notebook_output.result == '{"status": "ok"}'
    assert output.logs is None
    views = jobs.export_run(count).views
    assert views is not None
    printed = [
        c["results"]["data"][0]["data"] for c in model(views[0].content or "")["commands"][1:2]
    ]
    assert printed == ["[Step 1/1] counted 42\n"]
    assert jobs.get_run_output(tell).logs == "got 42 21 {{what.is.this}}\n"
    failed = jobs.get_run_output(bad)
    assert failed.error == "KeyError: 'b'"
    assert "\x1b[" in (failed.error_trace or "")
    assert "<command-" in (failed.error_trace or "")
    assert failed.notebook_output is not None
    assert failed.notebook_output.result is None
    missing = run["tasks"][3]
    assert missing["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert "Unable to access the notebook" in str(jobs.get_run_output(gone).error)
    http.close()


def test_a_real_task_is_found_again_after_a_restart(tmp_path: Path, cache: Path) -> None:
    flag = tmp_path / "go"
    script = (
        "import pathlib, time\nprint('began', flush=True)\n"
        f"while not pathlib.Path({str(flag)!r}).exists():\n    time.sleep(0.02)\n"
        "print('done')\n"
    )
    with Simulator(tmp_path / "workspace", cache=cache) as sim:
        http = wire(sim)
        put(http, f"{FOLDER}/wait.py", script)
        spec = {"python_file": f"{FOLDER}/wait.py"}
        run_id = start(http, create(http, {"task_key": "wait", "spark_python_task": spec}))
        until = time.monotonic() + DEADLINE_S
        while look(http, run_id)["state"]["life_cycle_state"] != "RUNNING":
            assert time.monotonic() < until
            PAUSE.wait(0.05)
        http.close()
    flag.touch()
    with Simulator(tmp_path / "workspace", cache=cache) as sim:
        http = wire(sim)
        run = ended(http, run_id)
        assert results(run) == {"wait": "SUCCESS"}
        logs = client(sim).jobs.get_run_output(run["tasks"][0]["run_id"]).logs
        assert logs == "began\ndone\n"
        http.close()


def test_a_real_task_is_cancelled_and_timed_out_for_real(real: Simulator) -> None:
    http = wire(real)
    put(http, f"{FOLDER}/wait.py", "import time\ntime.sleep(600)\n")
    spec = {"python_file": f"{FOLDER}/wait.py"}
    slow = {"task_key": "slow", "spark_python_task": spec}
    run_id = start(http, create(http, slow))
    late = start(http, create(http, slow | {"timeout_seconds": 1}))
    until = time.monotonic() + DEADLINE_S
    while look(http, run_id)["state"]["life_cycle_state"] != "RUNNING":
        assert time.monotonic() < until
        PAUSE.wait(0.05)
    http.post("/api/2.2/jobs/runs/cancel", json={"run_id": run_id})
    assert look(http, run_id)["state"]["life_cycle_state"] == "TERMINATING"
    assert results(ended(http, run_id)) == {"slow": "CANCELED"}
    assert results(ended(http, late)) == {"slow": "TIMEDOUT"}
    http.close()


@pytest.mark.slow
def test_a_wheels_entry_point_runs_with_its_parameters(real: Simulator) -> None:
    http = wire(real)
    put(http, f"{FOLDER}/dist/tiny-1.0-py3-none-any.whl", wheel(), "RAW")
    job_id = create(
        http,
        {
            "task_key": "w",
            "environment_key": "default",
            "python_wheel_task": {
                "package_name": "tiny",
                "entry_point": "main",
                "named_parameters": {"day": "{{job.parameters.day}}"},
            },
        },
        environments=[
            {
                "environment_key": "default",
                "spec": {"dependencies": [f"{FOLDER}/dist/tiny-1.0-py3-none-any.whl"]},
            }
        ],
        parameters=[{"name": "day", "default": "monday"}],
    )
    run = ended(http, start(http, job_id))
    output = client(real).jobs.get_run_output(run["tasks"][0]["run_id"])
    assert output.logs is not None
    assert "called with ['--day=monday']" in output.logs
    assert results(run) == {"w": "FAILED"}
    assert output.error == "RuntimeError: on purpose"
    assert (output.error_trace or "").startswith("Traceback (most recent call last)")
    http.close()


def wheel() -> bytes:
    """Give a wheel whose entry point prints its arguments and fails."""
    code = (
        "import sys\n\ndef run():\n    print('called with', sys.argv[1:])\n"
        "    raise RuntimeError('on purpose')\n"
    )
    about = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    tags = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    info = "tiny-1.0.dist-info"
    contents = {
        "tiny.py": code,
        f"{info}/METADATA": about,
        f"{info}/WHEEL": tags,
        f"{info}/entry_points.txt": "[console_scripts]\nmain = tiny:run\n",
    }
    record = "".join(f"{name},,\n" for name in (*contents, f"{info}/RECORD"))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        for name, text in (contents | {f"{info}/RECORD": record}).items():
            out.writestr(name, text)
    return made.getvalue()

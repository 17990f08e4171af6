"""What a job file can ask for, run for real."""

import os
import stat
import sys
from pathlib import Path

import pytest
from contract import DAY, FAILS, FINE, Piece, Stage, deployed, ended, started, states, values
from local_stage import Local

from agent.records import Failure, Repair

MEET = """
import pathlib, sys, time
me, other = sys.argv[1:]
pathlib.Path("data", me).touch()
deadline = time.monotonic() + 30
while not pathlib.Path("data", other).exists():
    if time.monotonic() > deadline:
        sys.exit("the other one never came")
    time.sleep(0.01)
"""


def python(key: str, file: str = "main.py", *words: str, **more: object) -> dict[str, object]:
    task = {"python_file": file, "parameters": list(words)}
    return {"task_key": key, "spark_python_task": task, **more}


def after(*keys: str) -> list[dict[str, str]]:
    return [{"task_key": key} for key in keys]


def failure(stage: Stage) -> Failure:
    status = ended(stage, started(stage))
    (found,) = stage.platform.failures(status, stage.tree)
    return found


def test_tasks_of_one_level_run_at_the_same_time(local: Local) -> None:
    tasks = [python("a", "main.py", "a", "b"), python("b", "main.py", "b", "a")]
    stage = local.stage({"data": ["data"], "tasks": tasks}, {"main.py": MEET, "data/.keep": ""})
    assert ended(stage, started(stage)).state == "succeeded"


def test_a_task_that_fails_once_succeeds_at_its_second_attempt(local: Local) -> None:
    text = (
        "import pathlib, sys\nfile = pathlib.Path('data/x')\nseen = file.exists()\nfile.touch()\n"
    )
    text += "sys.exit(not seen)\n"
    stage = local.stage(
        {"data": ["data"], "tasks": [python("a", max_retries=2)]},
        {"main.py": text, "data/.keep": ""},
    )
    status = ended(stage, started(stage))
    assert (status.state, status.tasks[0].attempt) == ("succeeded", 2)


def test_the_last_attempt_decides(local: Local) -> None:
    stage = local.stage({"tasks": [python("a", max_retries=1)]}, {"main.py": FAILS})
    status = ended(stage, started(stage))
    assert (status.state, status.tasks[0].attempt) == ("failed", 2)
    (found,) = stage.platform.failures(status, stage.tree)
    assert found.task_run == "r1/a/2"


def test_run_if_lets_a_task_run_after_a_failure(local: Local) -> None:
    tasks = [
        python("bad", "bad.py"),
        python("clean", depends_on=after("bad"), run_if="ALL_DONE"),
        python("alarm", depends_on=after("bad"), run_if="AT_LEAST_ONE_FAILED"),
        python("after_alarm", depends_on=after("alarm")),
        python("good", depends_on=after("clean")),
        python("never", depends_on=after("clean"), run_if="ALL_FAILED"),
    ]
    stage = local.stage({"tasks": tasks}, {"bad.py": FAILS, "main.py": FINE})
    status = ended(stage, started(stage))
    assert states(status) == {
        "bad": "failed",
        "clean": "succeeded",
        "alarm": "succeeded",
        "after_alarm": "succeeded",
        "good": "succeeded",
        "never": "skipped",
    }
    assert status.state == "failed"


def test_a_success_with_failures_is_no_success(local: Local) -> None:
    tasks = [
        python("bad", "bad.py"),
        python("clean", depends_on=after("bad"), run_if="ALL_DONE"),
    ]
    stage = local.stage({"tasks": tasks}, {"bad.py": FAILS, "main.py": FINE})
    status = ended(stage, started(stage))
    assert (status.state, status.native) == ("failed", "SUCCESS_WITH_FAILURES")
    assert [f.task for f in stage.platform.failures(status, stage.tree)] == ["bad"]


def test_dynamic_values_and_task_values_reach_later_tasks(local: Local) -> None:
    first = 'print(\'{"rows": 3, "name": "x y"}\')\n'
    second = "import json, sys\nprint(json.dumps({'got': sys.argv[1:]}))\n"
    words = ("{{tasks.a.values.rows}}", "{{tasks.a.values.name}}!", "{{task.name}}", "{{job.name}}")
    tasks = [python("a", "a.py"), python("b", "b.py", *words, depends_on=after("a"))]
    stage = local.stage({"name": "n", "tasks": tasks}, {"a.py": first, "b.py": second})
    status = ended(stage, started(stage))
    assert values(status)["b"] == {"got": ["3", "x y!", "b", "n"]}


def test_a_task_value_that_nobody_set_is_a_failure_that_never_started(local: Local) -> None:
    tasks = [python("a"), python("b", "main.py", "{{tasks.a.values.rows}}", depends_on=after("a"))]
    found = failure(local.stage({"tasks": tasks}, {"main.py": FINE}))
    assert (found.task, found.started) == ("b", False)
    assert found.message == "nothing is known of {{tasks.a.values.rows}}"


def test_a_repair_keeps_the_dates_of_the_run_it_repairs(local: Local) -> None:
    when = ("{{job.start_time.iso_datetime}}", "{{job.run_id}}")
    tasks = [python("a", "a.py"), python("b", "b.py", *when, depends_on=after("a"))]
    text = "import json, sys\nprint(json.dumps({'when': sys.argv[1:]}))\n"
    stage = local.stage({"tasks": tasks}, {"a.py": FAILS, "b.py": text})
    first = started(stage)
    ended(stage, first)
    folder = local.folder / "case" / "runs"
    asked = (folder / "r1" / "request.json").read_text()
    mended = stage._replace(tree=stage.change("a.py", FINE))
    second = started(mended, "r2", Repair(run="r1", tasks=("a", "b")))
    (_, b) = ended(mended, second).tasks
    (at, run) = b.exit_value["when"]  # type: ignore[index,call-overload]
    assert at in asked
    assert run == "r1"
    third = started(mended, "r3", Repair(run="r2", tasks=("b",)))
    status = ended(mended, third)
    assert values(status)["b"] == {"when": [at, "r1"]}
    assert values(status)["a"] == values(ended(mended, second))["a"]


def test_tasks_get_a_clean_environment(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "ANTHROPIC_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "PYTHONPATH",
        "WANTED",
        "RUNMEND_RUN",
    ):
        monkeypatch.setenv(name, "outside")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    text = "import json, os, sys\nprint(json.dumps({'env': dict(os.environ), 'path': sys.path}))\n"
    stage = local.stage({"pass_env": ["WANTED"], "tasks": [python("a")]}, {"main.py": text})
    ended(stage, started(stage))
    folder = local.folder / "case" / "runs" / "r1"
    said = (folder / "tasks" / "a" / "1" / "value.json").read_text()
    assert '"WANTED": "outside"' in said
    assert "http://proxy:1" in said
    for name in (
        "ANTHROPIC_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "PYTHONPATH",
        '"RUNMEND_RUN": "outside"',
    ):
        assert name not in said
    assert "outside" not in (folder / "request.json").read_text()


def test_a_bare_environment_sees_none_of_runmends_packages(local: Local) -> None:
    found = failure(local.stage({"tasks": [python("a")]}, {"main.py": "import pydantic\n"}))
    assert found.message == "ModuleNotFoundError: No module named 'pydantic'"
    assert found.location is not None
    assert (found.location.path, found.location.line) == ("main.py", 1)
    assert found.location.code == "import pydantic"


def test_the_innermost_line_of_the_tree_is_the_location(local: Local) -> None:
    lib = "import json\n\ndef read(text):\n    return json.loads(text)\n"
    stage = local.stage(
        {"tasks": [python("a", "etl/main.py")]},
        {"etl/main.py": "import lib\nlib.read('{')\n", "etl/lib.py": lib},
    )
    found = failure(stage)
    assert found.location is not None
    assert (found.location.path, found.location.line) == ("etl/lib.py", 4)
    assert found.message.startswith("json.decoder.JSONDecodeError: ")


def test_data_is_linked_and_written_where_it_lives(local: Local) -> None:
    stage = local.stage(
        {"data": ["data"], "tasks": [python("a")]},
        {"main.py": "open('data/new.csv', 'w').write('a,b\\n1,2\\n')\n", "data/old.csv": "x,y\n"},
    )
    status = ended(stage, started(stage))
    file = local.folder / "source" / "data" / "new.csv"
    assert status.state == "succeeded"
    assert file.read_text() == "a,b\n1,2\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_data_folder_that_leads_out_of_the_source_is_not_data(
    local: Local, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    stage = local.stage({"tasks": [python("a")]}, {"main.py": FINE})
    source = local.folder / "source"
    (source / "link").symlink_to(tmp_path / "elsewhere")
    (source / "inner").mkdir()
    (source / "job.yaml").write_text(
        "data: [link, inner, ., .., /tmp, inner, no]\ntasks: nonsense\n"
    )
    assert stage.platform.data(source) == ("inner",)


def test_facts_tell_a_fixer_what_there_is(local: Local) -> None:
    job = {
        "parameters": [{"name": "day", "default": "2026-01-01"}],
        "data": ["data"],
        "environments": [{"environment_key": "default", "spec": {"dependencies": []}}],
        "tasks": [python("a", "main.py", "--day", "{{job.parameters.day}}")],
    }
    stage = local.stage(
        job,
        {
            "main.py": FAILS,
            "data/sales.csv": "id;amount\n1;2\n",
            "data/deep/rows.jsonl": '{"id": 1, "name": "x"}\n',
        },
        {"day": "2026-07-01"},
    )
    facts = failure(stage).facts
    assert facts.files == (
        "data/deep/rows.jsonl",
        "data/sales.csv",
        "job.yaml",
        "main.py",
    )
    assert {d.name: d.columns for d in facts.datasets} == {
        "data/sales.csv": ("id", "amount"),
        "data/deep/rows.jsonl": ("id", "name"),
    }
    assert (facts.job_file, facts.task_file) == ("job.yaml", "main.py")
    assert facts.task_type == "spark_python_task"
    assert facts.parameters == {"day": "2026-07-01"}
    assert facts.widgets == {"day": "2026-07-01"}


def test_a_wrong_job_file_names_the_line_and_the_nearest_word(local: Local) -> None:
    stage = local.story(Piece("one", FINE), broken=True)
    made = stage.platform.deploy("d1", stage.tree, None)
    assert isinstance(made, tuple)
    (found,) = made
    assert found.code == "JOB_INVALID"
    assert found.message.startswith("job.yaml:")
    assert 'unknown key "depend_on" of task "one"; did you mean "depends_on"?' in found.message
    assert found.facts.files == ("job.yaml", "one.py", "shared.py")
    assert found.location is not None
    lines = (Path(stage.tree.root) / "job.yaml").read_text().splitlines()
    assert "depend_on" in lines[(found.location.line or 0) - 1]


@pytest.mark.usefixtures("installer")
def test_an_environment_that_cannot_be_built_is_a_failure_with_the_installers_words(
    local: Local,
) -> None:
    environment = {"environment_key": "default", "spec": {"dependencies": ["no-such-thing==9"]}}
    stage = local.stage({"environments": [environment], "tasks": [python("a")]}, {"main.py": FINE})
    made = stage.platform.deploy("d1", stage.tree, None)
    assert isinstance(made, tuple)
    (found,) = made
    assert (found.phase, found.code, found.started) == ("create", "ENVIRONMENT_FAILED", False)
    assert (
        found.message == "cannot install no-such-thing==9: error: no such thing: no-such-thing==9"
    )
    assert found.log[0].text == "resolving"
    assert found.facts.distributions == ("no-such-thing==9",)


def test_a_deployment_says_whether_its_environment_was_there(local: Local, tmp_path: Path) -> None:
    fresh = local._replace(cache=tmp_path / "cache")
    stage = fresh.stage({"tasks": [python("a")]}, {"main.py": FINE})
    (built,) = deployed(stage, "d1").notes
    (cached,) = deployed(stage, "d2").notes
    assert built.startswith("environment default built in ")
    assert cached == "environment default ready (cached)"


def test_output_of_any_kind_is_bounded_and_safe(local: Local) -> None:
    text = (
        "import os, sys\n"
        "os.write(1, b'\\x00' * 1000 + b'\\xff\\xfe\\n')\n"
        "os.write(2, b'\\x1b[2Jwiped\\x1b]0;title\\x07\\n')\n"
        "block = b'x' * 1_000_000\n"
        "for _ in range(200):\n    os.write(1, block)\n"
        "sys.exit('RuntimeError: \\u202egone\\x1b[31m')\n"
    )
    stage = local.stage({"tasks": [python("a")]}, {"main.py": text})
    status = ended(stage, started(stage))
    (found,) = stage.platform.failures(status, stage.tree)
    output = local.folder / "case" / "runs" / "r1" / "tasks" / "a" / "1"
    assert sum(file.stat().st_size for file in output.iterdir()) < 1_000_000
    said = found.dump()
    for raw in ("\\u001b", "\\u0000", "\\u0007", "\u202e"):
        assert raw not in said
    assert found.message.startswith("RuntimeError: ")
    assert any("bytes of this line cut here" in cut for cut in found.log_cut)


def test_the_attempt_leaves_its_output_where_the_failure_says(local: Local) -> None:
    found = failure(local.stage({"tasks": [python("a")]}, {"main.py": FAILS}))
    assert found.url is not None
    assert (Path(found.url) / "stdout").read_text() == "about to\n"
    assert [(line.source, line.number) for line in found.log][:2] == [
        ("a stdout", 1),
        ("a stderr", 1),
    ]


def test_the_progress_line_is_in_the_status(local: Local) -> None:
    text = "print('[Step 1/2] read')\nprint('noise [Step 9/9]')\nprint('[Step 2/2] write')\n"
    stage = local.stage({"tasks": [python("a")]}, {"main.py": text})
    assert ended(stage, started(stage)).tasks[0].step == "[Step 2/2] write"


@pytest.mark.slow
def test_exit_values_beyond_the_output_caps_are_whole(local: Local) -> None:
    text = "import json\nprint(json.dumps({'items': ['x' * 100] * 3000}))\n\n"
    stage = local.stage({"tasks": [python("a")]}, {"main.py": text})
    value = values(ended(stage, started(stage)))["a"]
    assert len(value["items"]) == 3000  # type: ignore[index,call-overload,arg-type]


def test_runs_by_the_same_interpreter_as_runmend(local: Local) -> None:
    text = "import json, sys\nprint(json.dumps({'v': list(sys.version_info[:3]), 'd': sys.argv}))\n"
    stage = local.stage({"tasks": [python("a")]}, {"main.py": text + DAY[:0]})
    value = values(ended(stage, started(stage)))["a"]
    assert value["v"] == list(sys.version_info[:3])  # type: ignore[index,call-overload]

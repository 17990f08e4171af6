"""What a job file may say, what is told of its mistakes, and what is made of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.platforms.aidp import cron, jobfile, jobrules, layout
from agent.playbook import Job, Playbook
from agent.records import Tree

TASK = {
    "type": "NOTEBOOK_TASK",
    "taskKey": "load",
    "runIf": "ALL_SUCCESS",
    "notebookPath": "load.ipynb",
    "cluster": {"clusterName": "etl_cluster"},
}


def read(folder: Path, text: str, **book: Any) -> jobfile.Read:
    """Read a job file beside `load.ipynb` and `src/report.py`."""
    (folder / "src").mkdir(exist_ok=True)
    for name in ("load.ipynb", "src/report.py"):
        (folder / name).write_text("")
    (folder / "job.yaml").write_text(text)
    files = ("job.yaml", "load.ipynb", "src/report.py")
    job = Job(file="job.yaml", parameters=book.pop("parameters", {}))
    playbook = Playbook(platform="aidp", job=job, **{"name": "etl-daily", **book})
    found = jobfile.read(Tree(root=str(folder), digest="", files=files), "job.yaml", playbook, 900)
    assert isinstance(found, jobfile.Read), found
    return found


def said(folder: Path, job: dict[str, Any], **book: Any) -> list[str]:
    """Return what is told of a job."""
    found = read(folder, yaml.safe_dump(job, sort_keys=False), **book)
    return [one.message for one in found.wrong]


def of_task(folder: Path, without: tuple[str, ...] = (), **changes: Any) -> list[str]:
    """Return what is told of a job whose only task has these changes."""
    task = {k: v for k, v in (TASK | changes).items() if k not in without}
    return said(folder, {"name": "etl.job", "tasks": [task]})


def test_a_file_is_made_whole(tmp_path: Path) -> None:
    text = """\
parameters: [{name: day}, {name: rate, value: 2}]
tasks:
  - type: NOTEBOOK_TASK
    taskKey: load
    runIf: ALL_SUCCESS
    notebookPath: ./load.ipynb
data: [raw]
"""
    section = {"cluster": "etl_cluster", "path": "/Workspace/jobs"}
    found = read(tmp_path, text, parameters={"day": 3}, aidp=section)
    assert found.wrong == ()
    assert found.job["name"] == "etl_daily.job"
    assert found.job["path"] == "/Workspace/jobs"
    assert found.job["maxConcurrentRuns"] == 1
    assert found.job["parameters"] == [
        {"name": "day", "value": "3"},
        {"name": "rate", "value": "2"},
    ]
    assert found.job["tasks"][0]["cluster"] == {"clusterName": "etl_cluster"}
    assert found.notes == ("data of the job file say nothing on AIDP and are left out",)


def test_paths_become_the_workspaces(tmp_path: Path) -> None:
    job = {
        "tasks": [
            {**TASK, "notebookPath": "./load.ipynb"},
            {**TASK, "notebookPath": "/Workspace/Shared/theirs.ipynb"},
            {"type": "PYTHON_TASK", "filePath": "src/report.py"},
            {"type": "PYTHON_TASK", "filePath": "jobs/x.py", "source": "GIT_PROVIDER"},
            {"type": "JAR_TASK", "dependentLibraries": ["lib/a.jar", "/Volumes/c/s/v/b.jar"]},
        ]
    }
    there = layout.of(Tree(root=str(tmp_path), digest="", files=()), "/Workspace/Shared/etl/")
    made = jobfile.remote(job, there)["tasks"]
    assert [task.get("notebookPath", task.get("filePath")) for task in made] == [
        "/Workspace/Shared/etl/load.ipynb",
        "/Workspace/Shared/theirs.ipynb",
        "/Workspace/Shared/etl/src/report.py",
        "jobs/x.py",
        None,
    ]
    assert made[4]["dependentLibraries"] == [
        "/Workspace/Shared/etl/lib/a.jar",
        "/Volumes/c/s/v/b.jar",
    ]
    assert job["tasks"][0]["notebookPath"] == "./load.ipynb"


MISTAKES = [
    (
        {"taskType": "NOTEBOOK_TASK"},
        ("type",),
        ['unknown key "taskType" of task "load"; did you mean "type"?'],
    ),
    ({}, ("runIf",), ['the key "runIf" of task "load" is missing; write runIf: ALL_SUCCESS']),
    (
        {"retryCount": 2},
        (),
        ['unknown key "retryCount" of task "load"; did you mean "maxRetries"?'],
    ),
    (
        {"retryInterval": 2, "retryOnTimeout": True},
        (),
        [
            'unknown key "retryInterval" of task "load"; did you mean "minRetryIntervalMillis" '
            "(milliseconds)?",
            'unknown key "retryOnTimeout" of task "load"; did you mean "isRetryOnTimeout"?',
        ],
    ),
    ({"notebook_path": "load.ipynb"}, ("notebookPath",), None),
    (
        {"cluster": "etl_cluster"},
        (),
        ['cluster of task "load" is the text "etl_cluster"; write {clusterName: etl_cluster}'],
    ),
    (
        {"runIf": "ALL_SUCESS"},
        (),
        [
            'runIf of task "load" is "ALL_SUCESS", expected one of ALL_SUCCESS, ALL_DONE, '
            "NONE_FAILED, AT_LEAST_ONE_SUCCESS, ALL_FAILED, AT_LEAST_ONE_FAILED; did you mean "
            '"ALL_SUCCESS"?'
        ],
    ),
    (
        {"notebookPath": "laod.ipynb"},
        (),
        [
            'notebookPath of task "load" is "laod.ipynb", which is no file of the source; did you '
            'mean "load.ipynb"?'
        ],
    ),
    (
        {"notebookPath": "/Workspace//load.ipynb"},
        (),
        ['notebookPath of task "load" is "/Workspace//load.ipynb": it has an empty part (//)'],
    ),
    (
        {"parameters": [{"key": "day", "value": "3"}]},
        (),
        ['unknown key "key" of parameter 1 of task "load"; did you mean "name"?'],
    ),
    ({"maxRetries": 11}, (), ['maxRetries of task "load" is 11, 10 at most']),
    ({"maxRetries": "two"}, (), None),
    (
        {"isStreaming": True, "timeoutSeconds": 60, "maxRetries": 1},
        (),
        [
            'task "load" is streaming and cannot have timeoutSeconds',
            'task "load" is streaming and cannot have maxRetries',
        ],
    ),
    (
        {"dependsOn": ["first"]},
        (),
        [
            'dependsOn of task "load" has the text "first"; write {taskKey: first}',
            'dependsOn of task "load" names "first", which is no task (tasks: load)',
        ],
    ),
]


@pytest.mark.parametrize(("changes", "without", "expected"), MISTAKES)
def test_a_mistake_in_a_task_is_told(
    tmp_path: Path, changes: dict[str, Any], without: tuple[str, ...], expected: list[str] | None
) -> None:
    found = of_task(tmp_path, without, **changes)
    assert found
    if expected is not None:
        assert [m for m in found if m in expected] == expected


def test_a_mistake_of_the_job_is_told_with_its_line(tmp_path: Path) -> None:
    text = """\
displayName: etl
schedule:
  quartzCronExpression: 0 6 * * *
  timezoneId: UTC
tasks:
  - type: NOTEBOOK
    taskKey: load
    runIf: ALL_SUCCESS
    notebookPath: load.ipynb
"""
    found = read(tmp_path, text)
    told = [jobfile.problem(found.found, one) for one in found.wrong]
    assert [(p.line, p.message, p.task) for p in told] == [
        (1, 'unknown key "displayName" of the job; did you mean "name"?', None),
        (
            6,
            'type of task "load" is "NOTEBOOK", expected one of NOTEBOOK_TASK, PYTHON_TASK, '
            "JAR_TASK, IF_ELSE_TASK, JOB_TASK, AGENT_TASK, SPARK_SUBMIT_TASK; did you mean "
            '"NOTEBOOK_TASK"?',
            "load",
        ),
        (
            3,
            'quartzCronExpression of the schedule is "0 6 * * *", which is no Quartz expression: '
            '5 fields, expected 6 or 7 (seconds first); did you mean "0 0 6 * * ?"?',
            None,
        ),
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("etl-daily", "etl_daily.job"), ("9 o'clock", "job_9_o_clock.job"), ("ä", "job.job")],
)
def test_a_name_that_is_not_taken_is_told_with_one_that_is(
    tmp_path: Path, name: str, meant: str
) -> None:
    told = said(tmp_path, {"name": name, "tasks": [TASK]})
    assert told == [
        f'name of the job is "{name}", which AIDP does not take (a letter, then letters, digits '
        f'and _, may end with .job); did you mean "{meant}"?'
    ]
    assert jobrules.NAME.fullmatch(meant)


def test_parameters_that_do_not_fit_are_told(tmp_path: Path) -> None:
    job = {"name": "a", "parameters": [{"name": "day"}, {"name": "a b", "value": "1"}]}
    told = said(tmp_path, {**job, "tasks": [TASK]}, parameters={"dya": "1"})
    assert told == [
        'parameter "day" of the job has no value',
        'name of parameter 2 of the job is "a b": letters, digits, _ . - only',
        'the job has no parameter "dya"; did you mean "day"? (parameters: day, a b)',
    ]


def test_tasks_in_a_circle_and_of_one_name_are_told(tmp_path: Path) -> None:
    one = {**TASK, "dependsOn": [{"taskKey": "two"}]}
    two = {**TASK, "taskKey": "two", "dependsOn": [{"taskKey": "load"}]}
    assert said(tmp_path, {"name": "a", "tasks": [one, two]}) == [
        "tasks depend on each other in a circle: load -> two -> load"
    ]
    assert said(tmp_path, {"name": "a", "tasks": [TASK, TASK]}) == ['two tasks are called "load"']
    assert said(tmp_path, {"name": "a"}) == ["the job file declares no tasks"]


def test_all_types_of_task_and_unknown_words_are_taken_as_they_are(tmp_path: Path) -> None:
    always = {"runIf": "ALL_DONE"}
    cluster = {"cluster": {"clusterName": "etl_cluster"}}
    tasks: list[dict[str, Any]] = [
        {**TASK, "computeProfile": "fast"},
        {"type": "PYTHON_TASK", "taskKey": "b", "filePath": "src/report.py", **cluster},
        {"type": "JAR_TASK", "taskKey": "c", "mainClass": "a.B", **cluster},
        {
            "type": "IF_ELSE_TASK",
            "taskKey": "d",
            "expressions": [{"key": "A", "value": "1==1"}],
            "condition": "A",
        },
        {
            "type": "JOB_TASK",
            "taskKey": "e",
            "jobKey": "k",
            "dependsOn": [{"taskKey": "d", "outcome": True}],
        },
        {"type": "AGENT_TASK", "taskKey": "f", "agentKey": "k", "prompt": "hello"},
        {"type": "SPARK_SUBMIT_TASK", "taskKey": "g", "anything": [1]},
    ]
    job = {"name": "a", "tasks": [always | task for task in tasks], "alerts": {"on": ["FAILED"]}}
    found = read(tmp_path, yaml.safe_dump(job))
    assert found.wrong == ()
    assert found.job["tasks"][4]["dependsOn"] == [{"taskKey": "d", "outcome": "true"}]
    assert found.job["tasks"][6]["anything"] == [1]
    assert found.job["alerts"] == {"on": ["FAILED"]}
    assert found.notes == (
        'passed on as it is, not known here: "alerts" of the job, "computeProfile" of task "load"',
    )


def test_a_file_that_is_no_document_is_a_problem(tmp_path: Path) -> None:
    tree = Tree(root=str(tmp_path), digest="", files=("job.yml",))
    book = Playbook(platform="aidp", job=Job(file="job.yaml"))
    missing = jobfile.read(tree, "job.yaml", book, 900)
    assert missing == jobfile.Problem(
        0, 'the job file job.yaml does not exist; did you mean "job.yml"?'
    )
    (tmp_path / "job.yml").write_text("a: 1\na: 2\n")
    twice = jobfile.read(tree, "job.yml", book, 900)
    assert twice == jobfile.Problem(2, 'key "a" is given twice (first in line 1)')


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 6 * * ?",
        "0 0/30 * * * ?",
        "0 0 0 ? * MON-FRI",
        "0 15,45 8-18 ? * 2-6 2026",
        "0 0 12 L * ?",
        "0 0 6 ? * 2#1",
        "30 59 23 LW JAN,JUL ?",
    ],
)
def test_quartz_expressions_are_taken(expression: str) -> None:
    assert cron.wrong(expression) is None


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("0 */5 * * * ?", "which fires every 5 minutes; AIDP takes at least 30 minutes apart"),
        ("0 0,29 * * * ?", "which fires every 29 minutes; AIDP takes at least 30 minutes apart"),
        ("* 0 6 * * ?", "which fires every second; AIDP takes at least 30 minutes apart"),
        ("0 0 25 * * ?", 'which is no Quartz expression: "25" is no hours (0-23)'),
        (
            "30 8 * * MON-FRI",
            "which is no Quartz expression: 5 fields, expected 6 or 7 (seconds first); did you "
            'mean "0 30 8 ? * MON-FRI"?',
        ),
        (
            "0 0 6 * * *",
            "which is no Quartz expression: one of day of month and day of week is ?, the other "
            'is not; did you mean "0 0 6 * * ?"?',
        ),
        ("daily", "which is no Quartz expression: 1 field, expected 6 or 7 (seconds first)"),
    ],
)
def test_what_is_no_quartz_expression_or_fires_too_often_is_told(
    expression: str, told: str
) -> None:
    assert cron.wrong(expression) == told

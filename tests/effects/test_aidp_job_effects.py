"""What a change of a job file in AIDP's words does: meaning counts, not spelling."""

import json

import pytest

from agent import effects
from agent.records import Risk

JOB = """\
name: etl_daily.job
maxConcurrentRuns: 1
path: /Workspace/Shared
parameters: [{name: day, value: "2026-07-01"}]
schedule: {quartzCronExpression: 0 0 6 * * ?, timezoneId: UTC, pauseStatus: PAUSED}
tasks:
  - type: NOTEBOOK_TASK
    taskKey: extract
    runIf: ALL_SUCCESS
    notebookPath: extract.ipynb
    maxRetries: 1
    timeoutSeconds: 600
    cluster: {clusterName: etl_cluster}
  - type: PYTHON_TASK
    taskKey: check
    runIf: ALL_SUCCESS
    dependsOn: [{taskKey: extract}]
    filePath: check.py
    commandLineArguments: --date 2026-07-01
    cluster: {clusterName: etl_cluster}
  - type: IF_ELSE_TASK
    taskKey: gate
    runIf: ALL_DONE
    dependsOn: [{taskKey: check}]
    expressions: [{key: A, value: 1==1}]
    condition: A
"""
KEY = "98d06c4f-0000-4000-8000-000000000001"


def changed(old: str, new: str) -> str:
    assert JOB.count(old) >= 1
    return JOB.replace(old, new)


def kinds(before: str, after: str) -> set[str]:
    return {e.kind for e in effects.of_change("job.yaml", before, after) if e.risk > Risk.SAFE}


SAME = {
    "a type by its other name": (changed("type: NOT", "taskType: NOT"), JOB),
    "the job's other name": (changed("name: etl", "displayName: etl"), JOB),
    "bare names": (changed("[{taskKey: extract}]", "[extract]"), JOB),
    "one bare name": (changed("[{taskKey: extract}]", "extract"), JOB),
    "no runIf": (changed("    runIf: ALL_SUCCESS\n", ""), JOB),
    "retries by their other name": (changed("maxRetries", "retryCount"), JOB),
    "a time in seconds": (
        changed("maxRetries: 1", "retryInterval: 30"),
        changed("maxRetries: 1", "minRetryIntervalMillis: 30000"),
    ),
    "parameters by key": (changed("{name: day", "{key: day"), JOB),
    "an empty part of a path": (changed("/Workspace/Shared", "/Workspace//Shared"), JOB),
    "a cluster by its key": (changed("clusterName: etl_cluster", f"clusterName: {KEY}"), JOB),
    "a misspelt cluster": (changed("etl_cluster", "etl_clutser"), JOB),
    "a cluster as a text": (changed("{clusterName: etl_cluster}", "etl_cluster"), JOB),
    "a value of a parameter": (JOB, changed('"2026-07-01"', '"2026-07-02"')),
    "another file of the tree": (JOB, changed("extract.ipynb", "src/extract.ipynb")),
    "fewer retries": (changed("maxRetries: 1", "maxRetries: 3"), JOB),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_what_says_the_same_in_the_right_words_does_nothing(before: str, after: str) -> None:
    assert before != after
    assert effects.of_change("job.yaml", before, after) == ()


ASKS = {
    "another cluster": ("clusterName: etl_cluster", "clusterName: prod_cluster", "setting_change"),
    "a cluster like it": ("etl_cluster", "etl_cluster_2", "setting_change"),
    "a key in a name's place": ("clusterName: etl_cluster", f"clusterName: {KEY}", None),
    "more retries": ("maxRetries: 1", "maxRetries: 3", "limit_raised"),
    "no time limit": ("    timeoutSeconds: 600\n", "", "limit_raised"),
    "a schedule": ("0 0 6", "0 0 7", "schedule_on"),
    "a schedule that goes on": ("PAUSED", "UNPAUSED", "schedule_on"),
    "more runs at once": ("maxConcurrentRuns: 1", "maxConcurrentRuns: 9", "cost_raised"),
    "no waiting": ("    dependsOn: [{taskKey: extract}]\n", "", "check_weakened"),
    "run whatever happened": ("runIf: ALL_SUCCESS", "runIf: ALL_DONE", "check_weakened"),
    "another condition": ("value: 1==1", "value: 1==2", "check_weakened"),
    "other arguments": ("--date 2026-07-01", "--date 2026-07-02", "shell_run"),
    "another type": ("type: PYTHON_TASK", "type: NOTEBOOK_TASK", "setting_change"),
    "a file elsewhere": ("check.py", "/Workspace/Shared/check.py", "setting_change"),
    "another runAs": ("path: /Work", "runAs: abc\npath: /Work", "permission_change"),
}


@pytest.mark.parametrize(("old", "new", "kind"), ASKS.values(), ids=ASKS)
def test_what_means_something_else_asks_and_is_never_unparsed(
    old: str, new: str, kind: str | None
) -> None:
    found = kinds(JOB, changed(old, new))
    assert found == {kind or "setting_change"}


def test_the_same_in_json() -> None:
    task = {"type": "NOTEBOOK_TASK", "taskKey": "a", "runIf": "ALL_SUCCESS"}
    before = json.dumps({"displayName": "etl", "tasks": [{"taskType": "NOTEBOOK_TASK", **task}]})
    wrong = json.dumps({"name": "etl", "tasks": [{"taskKey": "a", "taskType": "NOTEBOOK_TASK"}]})
    right = json.dumps({"name": "etl", "tasks": [task]})
    assert effects.of_change("job.json", wrong, right) == ()
    assert effects.of_change("job.json", before, right) != ()

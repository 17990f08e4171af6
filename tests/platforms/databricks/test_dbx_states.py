"""What a run's JSON says, when to look again, and what a notebook's page holds: all pure."""

import base64
import json
import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agent.platforms.databricks import (
    cadence,
    clusters,
    exports,
    outputs,
    parameters,
    runs,
    states,
    watching,
)
from agent.platforms.databricks.layout import Layout
from agent.playbook.records import Poll
from agent.records import Tree
from agent.remote import evidence
from agent.remote.evidence import Section


def old(life: str, result: str = "", **more: Any) -> dict[str, Any]:
    """Return what carries the older model only."""
    return {"state": {"life_cycle_state": life, "result_state": result}, **more}


def new(state: str, code: str = "", kind: str = "", **more: Any) -> dict[str, Any]:
    """Return what carries the newer model only."""
    details = {"code": code, "type": kind, "message": ""} if code else None
    return {"status": {"state": state, "termination_details": details}, **more}


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (old("TERMINATED", "SUCCESS"), "succeeded"),
        (old("INTERNAL_ERROR", "FAILED"), "failed"),
        (old("TERMINATED", "FAILED"), "failed"),
        (old("INTERNAL_ERROR"), "failed"),
        (old("SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED"), "failed"),
        (old("SKIPPED"), "failed"),
        (old("TERMINATED", "SUCCESS_WITH_FAILURES"), "failed"),
        (old("TERMINATED", "UPSTREAM_FAILED"), "failed"),
        (old("TERMINATED", "EXCLUDED"), "failed"),
        (old("TERMINATED", "TIMEDOUT"), "failed"),
        (old("TERMINATED", "CANCELED"), "cancelled"),
        (old("TERMINATED"), "failed"),
        (old("TERMINATED", "A_NEW_WORD"), "failed"),
        (new("TERMINATED", "SUCCESS", "SUCCESS"), "succeeded"),
        (new("TERMINATED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR"), "failed"),
        (new("TERMINATED", "USER_CANCELED", "SUCCESS"), "cancelled"),
        (new("TERMINATED", "SUCCESS_WITH_FAILURES", "SUCCESS"), "failed"),
        (new("TERMINATED", "SKIPPED", "SUCCESS"), "failed"),
        (new("TERMINATED"), "failed"),
        *[(old(life), "running") for life in ("QUEUED", "PENDING", "RUNNING", "TERMINATING")],
        *[(old(life), "running") for life in ("BLOCKED", "WAITING_FOR_RETRY", "HIBERNATING")],
        *[(new(life), "running") for life in ("QUEUED", "WAITING", "BLOCKED", "HIBERNATING")],
        ({}, "running"),
    ],
)
def test_a_run_has_succeeded_only_where_it_says_so(run: dict[str, Any], verdict: str) -> None:
    assert states.verdict(run) == verdict


@given(some.text(), some.text())
def test_no_unknown_word_is_ever_success(life: str, result: str) -> None:
    words = ("SUCCESS", "TERMINATED", "SKIPPED", "INTERNAL_ERROR")
    if life in words or result == "SUCCESS":
        return
    assert states.verdict(old(life, result)) == "running"
    assert states.verdict(old("TERMINATED", result)) != "succeeded"


def test_a_run_has_not_ended_while_one_of_its_tasks_runs() -> None:
    task = old("RUNNING", task_key="a", run_id=2)
    run = old("INTERNAL_ERROR", "FAILED", tasks=[task])
    assert states.verdict(run) == "running"
    task["state"] = {"life_cycle_state": "BLOCKED"}
    assert states.verdict(run) == "failed"


def test_of_several_attempts_the_last_one_counts_in_whatever_order_they_come() -> None:
    first = old("TERMINATED", "FAILED", task_key="a", attempt_number=0)
    second = old("TERMINATED", "SUCCESS", task_key="a", attempt_number=1)
    for tasks in ([first, second], [second, first]):
        assert states.last({"tasks": tasks})["a"] is second


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("SUCCESS", "succeeded"),
        ("FAILED", "failed"),
        ("TIMEDOUT", "timed_out"),
        ("CANCELED", "cancelled"),
        ("UPSTREAM_CANCELED", "cancelled"),
        ("UPSTREAM_FAILED", "upstream_failed"),
        ("EXCLUDED", "skipped"),
        ("DISABLED", "skipped"),
        ("SUCCESS_WITH_FAILURES", "failed"),
    ],
)
def test_each_result_of_a_task_has_its_state(result: str, state: str) -> None:
    for life in ("TERMINATED", "SKIPPED"):
        assert states.task_state(old(life, result, task_key="a")) == state
    assert states.task_state(old("SKIPPED", task_key="a")) == "skipped"


def test_infrastructure_is_told_by_the_code_never_by_the_life_cycle() -> None:
    user = old("INTERNAL_ERROR", "FAILED") | new(
        "TERMINATED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR"
    )
    cloud = old("TERMINATED", "FAILED") | new("TERMINATED", "CLOUD_FAILURE", "CLOUD_FAILURE")
    assert not states.about_compute(user)
    assert states.about_compute(cloud)
    assert (states.code(user), states.code(cloud)) == ("FAILED", "CLOUD_FAILURE")
    assert states.code(old("TERMINATED", "TIMEDOUT")) == "TIMEDOUT"


@pytest.mark.parametrize(
    ("address", "run"),
    [
        ("89018493834650", 89018493834650),
        (
            "https://x.net/?o=2567941339669575#job/625234784902960/run/89018493834650",
            89018493834650,
        ),
        ("https://x.net/jobs/62523/runs/8901849?o=2567941339669575", 8901849),
        ("https://x.net/#job/62523/run/8901849", 8901849),
        ("https://x.net/?o=12#job/run/8901849", 8901849),
        ("https://x.net/job/run/8901849", 8901849),
    ],
)
def test_a_runs_id_is_read_from_every_form_of_its_address(address: str, run: int) -> None:
    assert runs.number(address) == run


def test_text_loses_colours_tags_and_entities_but_no_places() -> None:
    text = (
        "\x1b[0;31mFile \x1b[0;32m<command-73492>, line 3\x1b[0m in <module>\n"
        "<span class='ansi-red-fg'>SyntaxError</span>: it&#39;s List&lt;int&gt; Map<K, V>"
    )
    assert outputs.plain(text) == (
        "File <command-73492>, line 3 in <module>\nSyntaxError: it's List<int> Map<K, V>"
    )


def test_a_secret_cut_in_two_by_a_colour_is_masked() -> None:
    token = "dapi" + "0123456789abcdef" * 2
    coloured = f"{token[:11]}\x1b[0;31m{token[11:20]}<span class='x'>{token[20:]}</span>"
    assert token[:11] not in outputs.clean(f"login with {coloured}")


@pytest.mark.parametrize(
    ("kind", "document", "value", "known"),
    [
        ("notebook_task", {"notebook_output": {"result": '{"rows": 3}'}}, {"rows": 3}, True),
        ("notebook_task", {"notebook_output": {"result": "done"}}, "done", True),
        ("notebook_task", {"notebook_output": {}}, None, True),
        ("notebook_task", {"notebook_output": {"result": "{", "truncated": True}}, None, False),
        ("notebook_task", {}, None, False),
        ("spark_python_task", {"logs": 'x\n{"a": 1}\n'}, {"a": 1}, True),
        ("spark_python_task", {"logs": '{"a": 1}\nbye\n{not json}\n'}, {"a": 1}, True),
        ("spark_python_task", {"logs": "x\n", "logs_truncated": True}, None, False),
        ("spark_python_task", {}, None, False),
        ("sql_task", {}, None, True),
    ],
)
def test_an_exit_value_that_was_not_delivered_is_unknown(
    kind: str, document: dict[str, Any], value: object, known: bool
) -> None:
    assert outputs.exit_value(kind, outputs.Output(document)) == (value, known)


def page(commands: list[dict[str, Any]]) -> str:
    """Return a notebook's page as the service exports it."""
    model = quote(json.dumps({"commands": commands}))
    coded = base64.b64encode(model.encode()).decode()
    return f"<html><script>var __DATABRICKS_NOTEBOOK_MODEL = '{coded}';</script></html>"


def test_what_a_notebook_printed_is_read_cell_by_cell() -> None:
    printed = exports.read(
        page(
            [
                {"position": 2.0, "results": {"type": "html", "data": "<div>two &amp; more</div>"}},
                {
                    "position": 1.0,
                    "results": {
                        "type": "listResults",
                        "data": [
                            {
                                "type": "ansi",
                                "data": "[Step 1/2] reading\n\x1b[31m12\x1b[0m rows\n",
                            },
                            {"type": "table", "data": [["secret", 1]]},
                            {"type": "mimeBundle", "data": {"text/plain": "frame"}},
                        ],
                    },
                },
                {"position": 3.0, "state": "error", "results": None},
                {"results": {"type": "ansi", "data": 7}},
            ]
        )
    )
    assert printed.lines == ("[Step 1/2] reading", "12 rows", "frame", "two & more")
    assert printed.failed_cell == 3
    assert exports.step(printed.lines) == "[Step 1/2] reading"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "<html>another format</html>",
        "__DATABRICKS_NOTEBOOK_MODEL = '@@@'",
        "__DATABRICKS_NOTEBOOK_MODEL = 'e30='",
        page([])[: len(page([])) // 2],
        "x" * (11 * 1024 * 1024),
    ],
)
def test_a_page_that_cannot_be_read_is_said(broken: str) -> None:
    printed = exports.read(broken)
    assert printed.missing
    assert printed.lines == ()


def test_a_log_keeps_its_end_and_what_looks_like_errors_and_says_what_it_left_out() -> None:
    long = ["fine"] * 50 + ["ValueError: first cause"] + ["fine"] * 5000
    log = evidence.bounded([Section("a stdout", long), Section("a stderr", ["boom"])])
    assert log.lines[-1].text == "boom"
    assert any(line.text == "ValueError: first cause" and line.number == 51 for line in log.lines)
    assert len(log.lines) <= 500
    assert any("a stdout: of lines 1 to" in cut for cut in log.cut)


def test_the_users_line_is_found_through_the_layout(tmp_path: Path) -> None:
    (tmp_path / "lib.py").write_text("def f():\n    return row['amout']\n")
    tree = Tree(root=str(tmp_path), digest="", files=("job.py", "lib.py"))
    there = Layout("/Workspace/Users/me/etl", frozenset(tree.files), frozenset())
    trace = [
        "Traceback (most recent call last):",
        '  File "/Workspace/Users/me/etl/job.py", line 9, in <module>',
        '  File "/Workspace/Users/me/etl/lib.py", line 2, in f',
        '  File "/databricks/python/lib/python3.11/x.py", line 77, in g',
        "KeyError: 'amout'",
    ]
    place = evidence.location(trace, tree, there.local, "job.py", None)
    assert place is not None
    assert (place.path, place.line, place.code) == ("lib.py", 2, "return row['amout']")
    cell = ["File <command-123>, line 4", "      3 a = 1", "----> 4 b = c", "NameError: c"]
    place = evidence.location(cell, tree, there.local, "job.py", 2)
    assert place is not None
    assert (place.path, place.line, place.cell, place.code) == ("job.py", 4, 2, "b = c")
    assert evidence.location(trace, tree, None, None, None) is None


def test_the_cadence_is_practice_for_each_kind_and_the_playbook_wins() -> None:
    def pauses(kind: Any, poll: Poll) -> list[float]:
        return [cadence.unchanged(cadence.of(kind, poll), n) for n in range(5)]

    assert pauses("job", Poll()) == [30, 60, 120, 120, 120]
    assert pauses("training", Poll()) == [60, 120, 240, 300, 300]
    assert pauses("pipeline", Poll()) == [30, 30, 30, 30, 30]
    assert pauses("job", Poll(kind="training")) == [60, 120, 240, 300, 300]
    assert pauses("job", Poll(first=5, max=20)) == [5, 10, 20, 20, 20]
    assert pauses("job", Poll(first=0, max=0)) == [1, 1, 1, 1, 1]
    assert pauses("job", Poll(first=600))[0] == 600


@given(
    some.lists(some.floats(1, 1e6), min_size=3, max_size=30),
    some.floats(0, 1e7),
    some.floats(0, 5000),
)
def test_no_history_makes_a_pause_below_a_second_or_without_end(
    durations: list[float], elapsed: float, looks: float
) -> None:
    known = cadence.expected(durations)
    assert known is not None
    pause = cadence.next_look(elapsed, known, looks, most_s=120)
    assert 1 <= pause <= max(120, elapsed, 4 * known.median_s)


def test_few_past_runs_say_nothing_and_one_that_hung_says_little() -> None:
    assert cadence.expected([60, 61]) is None
    known = cadence.expected([60, 61, 62, 59, 60, 86400])
    assert known is not None
    assert math.isclose(known.median_s, 60.5, rel_tol=0.01)
    assert known.spread < 0.1


def test_history_looks_rarely_early_and_closely_near_the_end() -> None:
    known = cadence.expected([3600 * f for f in (0.9, 0.95, 1, 1.05, 1.1)])
    assert known is not None
    looks, elapsed = [], 0.0
    while elapsed < 3600:
        elapsed += cadence.next_look(elapsed, known, 30)
        looks.append(elapsed)
    early = [at for at in looks if at < 2400]
    assert len(early) <= 7
    assert len(looks) <= 36
    assert looks[0] <= 240, "an early failure is seen soon"
    assert looks[-1] - 3600 < 60


def test_more_looks_to_spend_see_the_end_sooner() -> None:
    known = cadence.Expected(3600, 0.2)
    near = [cadence.next_look(3600, known, looks) for looks in (10, 30, 100, 300)]
    assert near == sorted(near, reverse=True)
    assert near[-1] < 10 < 60 < near[0]


def test_a_run_that_takes_far_longer_than_any_before_is_not_forgotten() -> None:
    known = cadence.Expected(3600, 0.2)
    assert cadence.next_look(10 * 86400, known, 30, most_s=120) <= 120


def test_a_long_name_of_a_nested_task_stays_its_own() -> None:
    names = {watching.short(f"{'x' * 120}/{n}") for n in range(10)}
    assert len(names) == 10
    assert all(len(name) <= 100 for name in names)


def test_where_logs_are_delivered_is_read_from_either_kind_of_destination() -> None:
    for kind in ("dbfs", "volumes"):
        spec = {"cluster_log_conf": {kind: {"destination": "/somewhere"}}}
        assert clusters._log_conf(spec) == "/somewhere"
    assert clusters._log_conf({}) is None


def test_parameters_that_no_replacement_can_carry_are_said() -> None:
    run = {
        "job_parameters": [{"name": "day", "default": "x", "value": "2026-07-01"}],
        "tasks": [
            {
                "task_key": "a",
                "notebook_task": {"base_parameters": {"at": "{{job.start_time.iso_date}}"}},
            }
        ],
    }
    given_ = parameters.carried(run, {}, anew=True)
    assert given_.body == {"job_parameters": {"day": "2026-07-01"}}
    assert "task a" in given_.notes[0]
    assert parameters.carried(run, {}, anew=False).notes == ()

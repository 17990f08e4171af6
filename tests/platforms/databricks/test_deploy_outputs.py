"""What the `databricks` command printed, release by release, is understood or called unclear."""

import json

import pytest

from agent.errors import Unavailable
from agent.platforms.databricks import messages, planned
from agent.platforms.databricks.command import Output
from agent.platforms.databricks.planned import Action

V0_278 = {"plan": {"resources.jobs.etl": {"action": "create"}}}
V0_279 = {
    "plan": {
        "resources.jobs.etl": {
            "action": "update",
            "changes": {"local": {"name": {"action": "update"}}},
        }
    }
}
V1_3 = {
    "plan_version": 1,
    "cli_version": "1.3.0",
    "lineage": "6b7",
    "serial": 4,
    "plan": {
        "resources.jobs.etl": {
            "depends_on": [{"node": "resources.jobs.other", "label": "${resources.jobs.other.id}"}],
            "action": "update",
            "new_state": {"value": {"name": "etl"}},
            "changes": {
                "name": {"action": "update", "old": "a", "new": "etl"},
                "email_notifications": {"action": "skip", "reason": "empty"},
            },
        },
        "resources.jobs.other": {"action": "skip"},
        "resources.jobs.other.permissions": {"action": "delete"},
    },
}
LISTED = {"resources": [{"resource_type": "jobs", "key": "etl", "action": "recreate"}]}


@pytest.mark.parametrize(
    ("said", "actions"),
    [
        (V0_278, [("jobs.etl", "create")]),
        (V0_279, [("jobs.etl", "update")]),
        (V1_3, [("jobs.etl", "update"), ("jobs.other.permissions", "delete")]),
        (LISTED, [("jobs.etl", "recreate")]),
        ({"plan_version": 2, "cli_version": "1.13.0"}, []),
        ({"plan": {}}, []),
        ({"plan": {"resources.volumes.v": {"action": "update_id"}}}, [("volumes.v", "update")]),
        ({"plan": {"resources.jobs.etl": {"action": "vaporise"}}}, [("jobs.etl", "unknown")]),
    ],
)
def test_a_plan_in_json_is_read(said: object, actions: list[tuple[str, str]]) -> None:
    found = planned.read(json.dumps(said))
    assert found.unclear is None
    assert [(a.resource, a.word) for a in found.actions] == actions


def test_a_plan_names_the_fields_that_change() -> None:
    assert planned.read(json.dumps(V1_3)).actions[0].fields == ("name",)


def test_a_plan_as_text_is_read() -> None:
    text = (
        "Building wheel...\ncreate jobs.etl\nrecreate pipelines.silver\n\n"
        "Plan: 2 to add, 0 to change, 1 to delete, 3 unchanged\n"
    )
    found = planned.read(text)
    assert found.unclear is None
    assert found.of("jobs.etl") == Action("jobs.etl", "create", "create")
    assert [a.resource for a in found.destructive] == ["pipelines.silver"]


@pytest.mark.parametrize(
    "said",
    [
        "",
        '{"plan": {"resources.jobs.etl": {"action": "update"}',
        '{"plan": {"resources.jobs.etl": {}}}',
        '{"steps": [{"action": "delete"}]}',
        '{"plan": [{"action": "skip"}]}',
        "Everything is fine.\n",
        "update jobs.etl\n",
        "update jobs.etl\nPlan: 0 to add, 1 to change, 1 to delete, 0 unchanged\n",
    ],
)
def test_what_is_no_known_plan_is_unclear_and_not_empty(said: str) -> None:
    found = planned.read(said)
    assert found.unclear
    assert not found.actions


def test_each_error_keeps_its_own_lines_and_place() -> None:
    text = (
        "Uploading bundle files to /Workspace/x/files...\n"
        "Error: cannot create resources.jobs.etl: no such cluster (400 INVALID_PARAMETER_VALUE)\n"
        "\n"
        "Endpoint: POST https://x/api/2.2/jobs/create\n"
        "HTTP Status: 400 Bad Request\n"
        "\n"
        "Error: reference does not exist: ${catalog}\n"
        "  at resources.jobs.etl.tasks[1].notebook_task\n"
        "  in resources/etl.yml:12:9\n"
        "     resources/other.yml:3:1\n"
        "\n"
        "Found 2 errors\n"
    )
    first, second = messages.problems(Output(1, "", text))
    assert (first.file, first.at) == (None, None)
    assert [t for _, t in first.lines][-1] == "HTTP Status: 400 Bad Request"
    assert first.lines[0][0] == 2
    assert (second.file, second.line) == ("resources/etl.yml", 12)
    assert second.at == "resources.jobs.etl.tasks[1].notebook_task"


def test_secrets_and_colours_in_an_output_are_masked() -> None:
    text = "\x1b[31mError:\x1b[0m no: token=dapi0123456789abcdef0123456789abcdef\n"
    (found,) = messages.problems(Output(1, "", text))
    assert found.text.startswith("no: token=[REDACTED")


@pytest.mark.parametrize(
    ("out", "err", "text"),
    [
        ("", "panic: it broke\ngoroutine 1\n", "goroutine 1"),
        ("only this\n", "", "only this"),
        ("", "", "the command ended with 1 without a word"),
    ],
)
def test_a_command_that_fails_without_an_error_line_still_says_something(
    out: str, err: str, text: str
) -> None:
    (found,) = messages.problems(Output(1, out, err))
    assert found.text == text


def test_a_command_that_takes_too_long_or_is_killed_may_be_asked_again() -> None:
    for output in (Output(-9, "", ""), Output(-2, "", "", late=True)):
        with pytest.raises(Unavailable):
            messages.check(output, "bundle plan", "log in")

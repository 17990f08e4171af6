"""The scripted model: takes what the service takes, refuses what it refuses, says its script."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anthropic
import pytest

from agent.errors import UsageError
from agent.simulators.model import ModelServer, serve
from agent.simulators.model.script import read

HEADERS = {
    "x-api-key": "test-key",
    "anthropic-version": "2026-10-21",
    "content-type": "application/json",
}
REQUEST: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello"}],
}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serve([{"text": "hi there"}]) as running:
        yield running


def post(
    server: ModelServer,
    body: object,
    headers: dict[str, str] = HEADERS,
    path: str = "/v1/messages",
) -> tuple[int, dict[str, Any], http.client.HTTPMessage]:
    with closing(http.client.HTTPConnection(server.base_url.removeprefix("http://"))) as client:
        raw = body if isinstance(body, str) else json.dumps(body)
        client.request("POST", path, raw, headers)
        response = client.getresponse()
        return response.status, json.loads(response.read()), response.headers


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in REQUEST.items() if key != name}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "not valid JSON"),
        ([], "not valid JSON"),
        (without("model"), "model: Field required"),
        (without("messages"), "messages: Field required"),
        (without("max_tokens"), "max_tokens: Field required"),
        ({**REQUEST, "max_tokens": "many"}, "max_tokens: Input should be a valid integer"),
        ({**REQUEST, "temperature": 0}, "temperature: Extra inputs are not permitted"),
        ({**REQUEST, "promt": "x"}, "promt: Extra inputs are not permitted"),
        ({**REQUEST, "messages": []}, "at least one message is required"),
        ({**REQUEST, "messages": [{"role": "tool", "content": "x"}]}, "messages.0"),
        ({**REQUEST, "messages": [{"role": "user", "content": ""}]}, "must be non-empty"),
        ({**REQUEST, "messages": [{"role": "user", "content": 3}]}, "valid list"),
        ({**REQUEST, "messages": [{"role": "assistant", "content": "{"}]}, "prefill"),
        (
            {**REQUEST, "messages": [{"role": "user", "content": [{**MARKED, "text": " "}]}]},
            "must be non-empty",
        ),
        ({**REQUEST, "system": [MARKED] * 5}, "A maximum of 4 blocks with cache_control"),
        ({**REQUEST, "output_config": {"format": {"type": "json"}}}, "output_config.format"),
        (
            {
                **REQUEST,
                "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            },
            "'additionalProperties' must be explicitly set to false",
        ),
    ],
)
def test_a_request_the_service_would_not_take_is_refused_with_its_error(
    server: ModelServer, body: object, message: str
) -> None:
    status, error, headers = post(server, body)
    assert (status, error["type"], error["error"]["type"]) == (
        400,
        "error",
        "invalid_request_error",
    )
    assert message in error["error"]["message"]
    assert headers["request-id"] == error["request_id"]
    assert server.requests[0].status == 400


def test_headers_model_and_path_are_checked(server: ModelServer) -> None:
    no_key = {name: value for name, value in HEADERS.items() if name != "x-api-key"}
    no_version = {name: value for name, value in HEADERS.items() if name != "anthropic-version"}
    assert post(server, REQUEST, no_key)[:2][0] == 401
    assert post(server, REQUEST, no_key)[1]["error"]["type"] == "authentication_error"
    assert post(server, REQUEST, {**no_key, "authorization": "Bearer k"})[0] == 200
    assert post(server, REQUEST, no_version)[0] == 400
    assert post(server, {**REQUEST, "model": "gpt-9"})[1]["error"]["type"] == "not_found_error"
    assert post(server, REQUEST, path="/v1/complete")[0] == 404


def test_only_known_keys_are_let_in_where_keys_are_named() -> None:
    with ModelServer([{"text": "hi"}], keys=frozenset(("right",))) as server:
        assert post(server, REQUEST, {**HEADERS, "x-api-key": "wrong"})[0] == 401
        assert post(server, REQUEST, {**HEADERS, "x-api-key": "right"})[0] == 200


def test_the_sdk_reads_the_same_answer_whole_and_streamed(server: ModelServer) -> None:
    with anthropic.Anthropic(api_key="test-key", base_url=server.base_url) as client:
        asked: Any = REQUEST
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        counted = client.messages.count_tokens(model="claude-opus-5-5", messages=asked["messages"])
    for message in (whole, streamed):
        assert [block.type for block in message.content] == ["text"]
        assert message.content[0].text == "hi there"
        assert message.stop_reason == "end_turn"
        assert message.usage.input_tokens == counted.input_tokens == 2
    assert whole.usage == streamed.usage


def test_a_prefix_that_was_marked_is_read_from_the_cache_the_next_time(server: ModelServer) -> None:
    long = [{**MARKED, "text": "word " * 1_000}]
    first = post(server, {**REQUEST, "system": long})[1]["usage"]
    again = post(server, {**REQUEST, "system": long})[1]["usage"]
    other = post(server, {**REQUEST, "system": [{**MARKED, "text": "else " * 1_000}]})[1]["usage"]
    assert (first["cache_creation_input_tokens"], first["cache_read_input_tokens"]) == (1250, 0)
    assert (again["cache_creation_input_tokens"], again["cache_read_input_tokens"]) == (0, 1250)
    assert other["cache_read_input_tokens"] == 0
    assert first["input_tokens"] == again["input_tokens"] == 2


def test_the_first_rule_that_fits_and_is_not_used_up_answers() -> None:
    script = [
        {"when": {"regex": r"h.llo"}, "times": 1, "text": "once"},
        {"when": "hello", "text": "then"},
        {"when": "be brief", "in": "request", "text": "system"},
    ]
    with serve(script) as server:
        assert [post(server, REQUEST)[1]["content"][0]["text"] for _ in range(3)] == [
            *("once", "then", "then")
        ]
        other = {**REQUEST, "messages": [{"role": "user", "content": "bye"}]}
        brief = {**other, "system": "be brief"}
        assert post(server, brief)[1]["content"][0]["text"] == "system"
        nothing = json.loads(post(server, other)[1]["content"][0]["text"])
        assert (nothing["action"], nothing["rationale"]) == (
            "decline",
            "no rule of the script fits this request",
        )


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    file.write_text(
        "- {when: KeyError, times: 2, files: [a.py]}\n- {status: 529, retry_after: 1}\n"
    )
    first, second = read(file)
    assert (first.when, first.times, first.files) == ("KeyError", 2, ("a.py",))
    assert (second.status, second.retry_after) == (529, 1.0)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("- {txt: hi}", "rule 1: txt: Extra inputs are not permitted"),
        ("- {text: hi}\n- {text: hi, decline: no one}", "rule 2: "),
        ("- {when: x}", "says one of edits, files"),
        ("- {when: {regex: '('}, text: hi}", "rule 1: when"),
        ("- {status: 200}", "rule 1: status"),
        ("text: hi", "found dict, expected a list of rules"),
        ("- [", "not YAML"),
    ],
)
def test_a_wrong_script_says_what_is_wrong_with_it(tmp_path: Path, text: str, error: str) -> None:
    file = tmp_path / "script.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read(file)
    assert str(caught.value).startswith(str(file))
    assert error in str(caught.value)


def test_a_script_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: cannot be read"):
        read(tmp_path / "none.yaml")


def test_a_taken_port_is_said_so(server: ModelServer) -> None:
    port = int(server.base_url.rsplit(":", 1)[1])
    with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 cannot be used"):
        serve([{"text": "hi"}], port)

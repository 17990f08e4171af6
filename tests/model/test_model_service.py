"""What a service does wrong, and what a user then reads; what that costs."""

import socket
from contextlib import closing

import pytest
from model_asking import PATCH, Consult, Purse, question

from agent.errors import BudgetSpent
from agent.model import Answer, propose
from agent.playbook import Model


def ask(settings: Model) -> Answer:
    return propose(
        settings,
        question(),
        Purse(),
        key="test-key",
        sleep=lambda _: None,
        check=lambda _: None,
    )


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_service_that_is_busy_is_asked_again_a_little_later(
    consult: Consult, status: int
) -> None:
    asked = consult({"status": status, "times": 2}, PATCH)
    assert asked.answer.edits != ()
    assert asked.answer.usage.api_calls == 3
    assert 2.0 <= asked.slept[0] <= 2.5
    assert 4.0 <= asked.slept[1] <= 5.0


def test_the_wait_that_the_service_asks_for_is_kept(consult: Consult) -> None:
    asked = consult({"status": 429, "retry_after": 17, "times": 1}, PATCH)
    assert asked.answer.edits != ()
    assert 17.0 <= asked.slept[0] <= 17.0 * 1.25


def test_a_service_that_asks_for_an_hour_is_not_waited_for(consult: Consult) -> None:
    asked = consult({"status": 429, "retry_after": 3600, "message": "Too many tokens"})
    assert asked.answer.reason == (
        "the model service answered 429 (Too many tokens); it asked to wait 3,600 s"
    )
    assert asked.slept == []


def test_a_service_that_stays_busy_is_given_up(consult: Consult) -> None:
    asked = consult({"status": 529, "message": "Overloaded"})
    assert asked.answer.reason == "the model service answered 529 (Overloaded); asked 4 times"
    assert len(asked.server.requests) == 4
    assert len(asked.slept) == 3
    assert asked.answer.usage.cost_usd == 0.0


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "check ANTHROPIC_API_KEY"),
        (403, "check ANTHROPIC_API_KEY"),
        (404, "check model.id (claude-opus-5-5) and model.base_url"),
        (400, "answered 400 (scripted)"),
        (402, "answered 402 (scripted)"),
        (413, "answered 413 (scripted)"),
        (307, "redirects are not followed"),
    ],
)
def test_what_no_waiting_mends_is_said_at_once(consult: Consult, status: int, advice: str) -> None:
    asked = consult({"status": status})
    assert advice in asked.answer.reason
    assert len(asked.server.requests) == 1
    assert asked.answer.usage.cost_usd == 0.0


def test_evidence_does_not_follow_a_redirect(consult: Consult) -> None:
    elsewhere = consult(PATCH).server
    asked = consult({"status": 307, "location": f"{elsewhere.base_url}/v1/messages"}, PATCH)
    assert "redirects are not followed, set model.base_url" in asked.answer.reason
    assert len(elsewhere.requests) == 1


def test_a_model_the_service_does_not_know_is_named(consult: Consult) -> None:
    answer = consult(PATCH, model="gpt-9").answer
    assert answer.reason == (
        "the model service answered 404 (model: gpt-9): check model.id (gpt-9) and model.base_url"
    )


@pytest.mark.parametrize(
    ("rule", "reason", "calls"),
    [
        ({"cut": True, **PATCH}, "cut at 2000 tokens: raise model.max_tokens", 1),
        ({"refuse": "cyber"}, "the model refused to answer (cyber)", 1),
        ({"text": ""}, "the model's answer is empty", 1),
        ({"text": " \n"}, "the model's answer is empty", 1),
        ({"fault": "page"}, "answered with something else (text/html)", 1),
        ({"fault": "garble"}, "the model service's answer is garbled", 1),
        ({"fault": "disconnect"}, "the connection to the model service broke", 4),
        ({"fault": "break_off", **PATCH}, "the connection to the model service broke", 4),
        ({"fault": "stream_error", **PATCH}, "answered overloaded_error (Overloaded)", 4),
    ],
)
def test_an_answer_that_is_none_ends_in_a_reason(
    consult: Consult, rule: dict[str, object], reason: str, calls: int
) -> None:
    asked = consult(rule)
    assert reason in asked.answer.reason
    assert asked.answer.edits == ()
    assert asked.answer.usage.api_calls == len(asked.server.requests) == calls
    assert asked.checked == []


def test_a_broken_answer_is_asked_for_again(consult: Consult) -> None:
    for fault in ("disconnect", "break_off", "stream_error"):
        assert consult({"fault": fault, "times": 1}, PATCH).answer.edits != ()


def test_a_silent_service_is_given_up_after_the_time_out(consult: Consult) -> None:
    asked = consult({"delay": 30.0}, timeout=0.2)
    assert asked.answer.reason == (
        "the model service was silent for 0.2 s (model.timeout); asked 4 times"
    )


@pytest.mark.slow
def test_a_slow_answer_in_pieces_outlasts_the_time_out_but_not_for_ever(consult: Consult) -> None:
    slow = consult({"drip": 0.1, **PATCH}, timeout=0.3)
    assert slow.answer.edits != ()
    stuck = consult({"drip": 5.0, **PATCH}, timeout=0.2)
    assert "the model service was silent for 0.2 s" in stuck.answer.reason
    endless = consult({"drip": 0.1, "text": "x" * 40 * 100}, timeout=0.2)
    assert endless.answer.reason == "the model took longer than 1 s"


def test_a_service_that_is_not_there_is_said_to_be_unreachable() -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        answer = ask(Model(base_url=f"http://127.0.0.1:{free.getsockname()[1]}"))
    assert "the model service (model.base_url http://127.0.0.1:" in answer.reason
    assert "cannot be reached" in answer.reason
    assert answer.usage.cost_usd == 0.0


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:99999", "ftp://x.invalid", "nonsense", "http://"]
)
def test_an_address_that_is_none_ends_in_a_reason(address: str) -> None:
    answer = ask(Model(base_url=address))
    assert answer.edits == ()
    assert "model.base_url" in answer.reason


def test_a_service_without_typed_answers_is_asked_without_them(consult: Consult) -> None:
    refusal = {"status": 400, "message": "output_config: Extra inputs are not permitted"}
    asked = consult({**refusal, "times": 1}, PATCH)
    assert asked.answer.edits != ()
    assert [("output_config" in r.body) for r in asked.server.requests] == [True, False]
    assert asked.slept == []


def test_the_key_goes_into_its_header_and_nowhere_else(consult: Consult) -> None:
    (request,) = consult(PATCH).server.requests
    assert "test-key" in request.headers["authorization"] + request.headers.get("x-api-key", "")
    assert "test-key" not in str(request.body)


def test_the_worst_case_is_reserved_before_each_call_and_covers_it(consult: Consult) -> None:
    asked = consult({"status": 529, "times": 1}, {"when": "boom", "files": ["load.sql"]}, PATCH)
    assert (
        len(asked.purse.reserved) == len(asked.purse.settled) == asked.answer.usage.api_calls == 3
    )
    for reserved_usd, usage in zip(asked.purse.reserved, asked.purse.settled, strict=True):
        assert reserved_usd > usage.cost_usd
    assert asked.answer.usage.cost_usd == pytest.approx(asked.purse.held_usd)


def test_a_budget_that_does_not_cover_the_next_call_stops_it_before_it_is_sent(
    consult: Consult,
) -> None:
    with pytest.raises(BudgetSpent, match="the next call may cost"):
        consult(PATCH, purse=Purse(limit_usd=0.01))
    one_call = Purse(limit_usd=0.15)
    with pytest.raises(BudgetSpent):
        consult({"files": ["load.sql"], "hypothesis": "long " * 2000}, purse=one_call)
    assert len(one_call.settled) >= 1
    assert one_call.held_usd <= one_call.limit_usd


def test_a_call_that_may_have_been_charged_is_counted_in_full(consult: Consult) -> None:
    for rule in ({"fault": "disconnect"}, {"fault": "break_off", **PATCH}, {"fault": "page"}):
        asked = consult(rule)
        assert [u.cost_usd for u in asked.purse.settled] == asked.purse.reserved

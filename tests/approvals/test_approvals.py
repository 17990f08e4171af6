"""Who decides: rules and modes, and decisions bound to one exact patch."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import approvals
from agent.errors import ApprovalExpired, ApprovalInvalid
from agent.playbook import Playbook
from agent.records import Edit, Effect, Patch, Risk

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def playbook(platform: str = "local", **said: Any) -> Playbook:
    job = said.pop("job", {"file": "job.yaml"})
    approve = {k: said.pop(k) for k in ("mode", "rules", "by") if k in said}
    return Playbook.model_validate({"platform": platform, "job": job, "approve": approve, **said})


def patch(risk: Risk = Risk.SAFE, author: str = "fixer:rename_column", path: str = "a.py") -> Patch:
    effects = (Effect(kind="x", risk=risk, detail="a.py:1 does x"),) if risk else ()
    edits = (Edit(path=path, old="a", new="b"),)
    return Patch(edits=edits, rationale="r", author=author, effects=effects, target="local")


def rerun(risk: Risk = Risk.SAFE) -> Patch:
    return patch(risk, "rerun").model_copy(update={"edits": ()})


ANYTHING = {"then": "approve"}


def test_without_a_rule_a_patch_asks() -> None:
    assert approvals.decide(patch(), playbook()).then == "ask"
    assert approvals.decide(patch(author="model:x"), playbook(mode="auto")).then == "ask"


def test_mode_auto_approves_safe_patches_by_fixers_only() -> None:
    auto = playbook(mode="auto")
    assert approvals.decide(patch(), auto)[:2] == ("approve", "policy")
    assert approvals.decide(patch(author="fixer:a+fixer:b"), auto).then == "approve"
    for other in ("model:x", "fixer:a+model:x", "person:ana", "rerun", "fixers:a"):
        assert approvals.decide(patch(author=other), auto).then == "ask"
    assert approvals.decide(patch(Risk.ASK), auto) == ("ask", "policy", "a.py:1 does x")


def test_mode_auto_acts_alone_only_where_it_is_sure() -> None:
    auto = playbook(mode="auto")
    unsure = patch().model_copy(update={"confidence": 0.79})
    assert approvals.decide(unsure, auto)[:2] == ("ask", "policy")
    assert "0.79 sure" in approvals.decide(unsure, auto).why
    assert approvals.decide(patch().model_copy(update={"confidence": 0.8}), auto).then == "approve"


@pytest.mark.parametrize("mode", ["approve", "auto"])
def test_a_harmless_rerun_needs_nobody(mode: str) -> None:
    assert approvals.decide(rerun(), playbook(mode=mode))[:2] == ("approve", "policy")
    assert approvals.decide(rerun(Risk.ASK), playbook(mode=mode)).then == "ask"
    assert approvals.decide(rerun(), playbook("aidp", mode=mode)).then == "approve"


def test_the_first_rule_that_matches_decides() -> None:
    rules = [
        {"author": "model:*", "then": "reject"},
        {"path": "src/**", "then": "ask"},
        {"risk": "safe", "target": "local", "then": "approve"},
    ]
    book = playbook(mode="auto", rules=rules)
    assert approvals.decide(patch(author="model:x", path="src/a.py"), book)[:2] == (
        "reject",
        "rule 1",
    )
    assert approvals.decide(patch(path="src/a.py"), book)[:2] == ("ask", "rule 2")
    assert approvals.decide(patch(), book)[:2] == ("approve", "rule 3")
    assert approvals.decide(patch(Risk.ASK), book).then == "ask"
    elsewhere = patch().model_copy(update={"target": "prod"})
    assert approvals.decide(elsewhere, playbook(rules=rules)).then == "ask"


def test_a_rule_for_one_author_does_not_speak_for_two() -> None:
    book = playbook(rules=[{"author": "fixer:a", "then": "approve"}])
    assert approvals.decide(patch(author="fixer:a"), book).then == "approve"
    assert approvals.decide(patch(author="fixer:a+fixer:b"), book).then == "ask"


def test_an_approving_rule_must_fit_every_path_another_one_any() -> None:
    both = patch().model_copy(
        update={
            "edits": (Edit(path="src/a.py", old="a", new="b"), Edit(path="x.py", old="a", new="b"))
        }
    )
    assert (
        approvals.decide(both, playbook(rules=[{"path": "src/**", "then": "approve"}])).then
        == "ask"
    )
    rejecting = playbook(rules=[{"path": "src/**", "then": "reject"}])
    assert approvals.decide(both, rejecting).then == "reject"
    whole = playbook(rules=[{"path": "*.py", "then": "approve"}])
    assert approvals.decide(both, whole).then == "approve"
    assert approvals.decide(rerun(Risk.ASK), whole).then == "ask"


@pytest.mark.parametrize("mode", ["observe", "suggest", "approve", "auto"])
@pytest.mark.parametrize("rules", [[], [ANYTHING], [{"risk": "destructive", "then": "approve"}]])
def test_nothing_approves_a_destructive_patch_in_advance(mode: str, rules: list[object]) -> None:
    """Case 44."""
    book = playbook(mode=mode, rules=rules, production=False)
    for author in ("fixer:a", "model:x", "rerun", "person:ana"):
        assert approvals.decide(patch(Risk.DESTRUCTIVE, author), book).then == "ask"
    assert approvals.decide(rerun(Risk.DESTRUCTIVE), book).then == "ask"


def test_a_rule_may_still_reject_a_destructive_patch() -> None:
    book = playbook(rules=[{"risk": "destructive", "then": "reject"}])
    assert approvals.decide(patch(Risk.DESTRUCTIVE), book).then == "reject"


@pytest.mark.parametrize("mode", ["observe", "suggest"])
def test_a_mode_that_deploys_nothing_approves_nothing(mode: str) -> None:
    book = playbook(mode=mode, rules=[ANYTHING])
    assert approvals.decide(patch(), book).then == "ask"


PRODUCTION = [
    (playbook("aidp", job={"name": "x"}), False, True),
    (playbook("aidp", job={"name": "x"}, production=False), True, False),
    (playbook("databricks", job={"id": 7}), False, True),
    (playbook("databricks", job={"bundle": "x"}), False, False),
    (playbook("databricks", job={"bundle": "x"}), True, True),
    (playbook("local"), False, False),
    (playbook("local", production=True), False, True),
]


@pytest.mark.parametrize(("book", "target", "expected"), PRODUCTION)
def test_on_production_every_patch_asks(book: Playbook, target: bool, expected: bool) -> None:
    """Case 44: neither a rule nor mode auto decides there."""
    assert approvals.on_production(book, target_is_production=target) is expected
    approve = {"mode": "auto", "rules": [ANYTHING]}
    book = Playbook.model_validate(book.model_dump() | {"approve": approve})
    wanted = "ask" if expected else "approve"
    assert approvals.decide(patch(), book, production=target).then == wanted
    assert approvals.decide(rerun(), book, production=target).then == "approve"


def check(given: str, who: str = "ana@host", **said: Any) -> Any:
    values = {"by": None, "at": NOW, "expires_at": LATER, "approve": True} | said
    return approvals.check_decision(said.pop("patch", patch()), given, who=who, **values)


def test_a_decision_is_bound_to_the_exact_patch() -> None:
    """Cases 34-36: a used, foreign or edited patch is another patch."""
    mine = patch()
    decision = check(mine.id[:4])
    assert (decision.outcome, decision.patch, decision.by) == (
        "approved",
        mine.sha256(),
        "ana@host",
    )
    assert check(mine.sha256(), approve=False, reason="no").outcome == "rejected"
    other = mine.model_copy(update={"target": "prod"})
    edited = mine.model_copy(update={"edits": (Edit(path="a.py", old="a", new="c"),)})
    rebased = mine.model_copy(
        update={"edits": (Edit(path="a.py", old="a", new="b", base="0" * 64),)}
    )
    for swapped in (other, edited, rebased):
        with pytest.raises(ApprovalInvalid, match="does not wait for a decision"):
            check(swapped.id)


@pytest.mark.parametrize("given_id", ["", "abc", "latest", "*", "....", "-", "y"])
def test_a_decision_must_name_the_patch(given_id: str) -> None:
    """Case 43: a piped `y` names nothing."""
    with pytest.raises(ApprovalInvalid, match="names no patch"):
        check(given_id)


def test_only_listed_people_decide() -> None:
    """Cases 40 and 40b."""
    mine = patch().id
    for by in (("ana",), ("ana@host",), ("bo", "ana")):
        assert check(mine, by=by).by == "ana@host"
    for by in (("bo",), ("ana@other",), ("an*",), ("ANA",)):
        with pytest.raises(ApprovalInvalid, match="may not decide"):
            check(mine, by=by)
    with pytest.raises(ApprovalInvalid, match="nobody"):
        check(mine, by=())


@pytest.mark.parametrize(
    "who",
    ["model:claude", "fixer:a", "policy", "rule 1", "runmend@host", "agent", "clock", "", "@host"],
)
def test_a_machine_does_not_decide(who: str) -> None:
    """Cases 3 and 40: neither the agent itself nor a rule is a person."""
    with pytest.raises(ApprovalInvalid, match="not a person"):
        check(patch().id, who=who)


def test_too_late_is_expired_and_not_rejected() -> None:
    """Case 38."""
    mine = patch()
    assert approvals.expired(mine, NOW, LATER) is None
    assert approvals.expired(mine, LATER, LATER) is None
    late = approvals.expired(mine, LATER + timedelta(seconds=1), LATER)
    assert late is not None
    assert (late.outcome, late.patch) == ("expired", mine.sha256())
    for approve in (True, False):
        with pytest.raises(ApprovalExpired):
            check(mine.id, at=LATER + timedelta(seconds=1), approve=approve)


@given(st.text(alphabet="0123456789abcdef", min_size=4, max_size=64))
def test_no_other_digits_name_the_patch(digits: str) -> None:
    if not patch().sha256().startswith(digits):
        with pytest.raises(ApprovalInvalid):
            check(digits)


RULES = st.lists(
    st.fixed_dictionaries(
        {"then": st.sampled_from(["approve", "ask", "reject"])},
        optional={
            "author": st.sampled_from(["*", "fixer:*", "model:*"]),
            "risk": st.sampled_from(["safe", "ask", "destructive"]),
            "path": st.sampled_from(["**", "*.py", "src/"]),
        },
    ),
    max_size=4,
)


@given(
    RULES, st.sampled_from(["observe", "suggest", "approve", "auto"]), st.booleans(), st.booleans()
)
def test_no_set_of_rules_lets_damage_or_production_through(
    rules: list[object], mode: str, production: bool, model: bool
) -> None:
    """Case 44."""
    book = playbook(mode=mode, rules=rules, production=production)
    author = "model:x" if model else "fixer:a"
    assert approvals.decide(patch(Risk.DESTRUCTIVE, author), book).then != "approve"
    if production:
        assert approvals.decide(patch(Risk.SAFE, author), book).then != "approve"

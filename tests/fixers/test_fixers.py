"""Every fixer, found by itself: what it rewrites, and nearly as often what it leaves alone.

A fixer's folder holds rewrites.yaml and unchanged.yaml, lists of cases: `files` before, what the
failure and the diagnosis say, and `after` (only the changed files) or `because`, words of the
reason.
"""

import ast
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlglot
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import fixers
from agent.records import Diagnosis, Edit, Facts, Failure, Line, Location

HERE = Path(__file__).parent
JOB = "job.yaml"


Applied = Callable[[dict[str, str], tuple[Edit, ...]], dict[str, str]]


class Case(NamedTuple):
    fixer: str
    kind: str
    name: str
    body: dict[str, Any]


def cases(kind: str) -> list[Any]:
    found = []
    for fixer in fixers.names():
        path = HERE / fixer / f"{kind}.yaml"
        for body in yaml.safe_load(path.read_text()) if path.exists() else []:
            case = Case(fixer, kind, body["name"], body)
            found.append(pytest.param(case, id=f"{fixer}: {case.name}"))
    return found


def work_for(case: Case, files: dict[str, str]) -> fixers.Work:
    body = case.body
    facts = {
        "files": sorted({*files, *body.get("data", [])}),
        "job_file": JOB if JOB in files else None,
        **body.get("facts", {}),
    }
    location = Location.model_validate(body["location"]) if "location" in body else None
    log = [
        Line(source=f"{body.get('task', 'job')} stderr", number=n, text=text)
        for n, text in enumerate(body.get("log", "").splitlines(), 1)
    ]
    failure = Failure(
        phase=body.get("phase", "run"),
        code=body.get("code", "FAILED"),
        message=body.get("message", log[-1].text if log else "failed"),
        task=body.get("task"),
        log=tuple(log),
        location=location,
        facts=Facts.model_validate(facts),
    )
    diagnosis = Diagnosis(
        verdict="diagnosed",
        task=body.get("task"),
        entry="test.entry",
        remedy="fix",
        fixer=case.fixer,
        parameters=body.get("parameters", {}),
        location=location,
    )
    return fixers.Work(failure, diagnosis, files.get)


def assert_readable(path: str, text: str) -> None:
    match Path(path).suffix:
        case ".py":
            ast.parse(text)
        case ".yaml" | ".yml":
            assert isinstance(yaml.safe_load(text), dict)
        case ".ipynb":
            assert json.loads(text)["cells"]
        case ".sql":
            assert sqlglot.parse(text, dialect="duckdb")


@pytest.mark.parametrize("case", cases("rewrites"))
def test_a_rewrite_is_exact_valid_and_not_repeated(case: Case, applied: Applied) -> None:
    files = dict(case.body["files"])
    proposal = fixers.load(case.fixer)(work_for(case, files))
    assert isinstance(proposal, fixers.Proposal), proposal
    after = applied(files, proposal.edits)
    assert after == {**files, **case.body["after"]}
    assert {e.path for e in proposal.edits} == set(case.body["after"])
    assert proposal.rationale.endswith(".")
    assert 0 < proposal.confidence <= 1
    for path in case.body["after"]:
        assert_readable(path, after[path])
    again = fixers.load(case.fixer)(work_for(case, after))
    assert isinstance(again, str), f"proposes again: {again}"


@pytest.mark.parametrize("case", cases("unchanged"))
def test_code_in_doubt_is_left_alone_with_a_reason(case: Case) -> None:
    answer = fixers.load(case.fixer)(work_for(case, dict(case.body["files"])))
    assert isinstance(answer, str), answer
    assert case.body["because"] in answer
    assert "\n" not in answer


@pytest.mark.parametrize("fixer", [*fixers.names()])
def test_every_fixer_has_rewrites_and_nearly_as_many_cases_left_alone(fixer: str) -> None:
    counts = {
        kind: len([p for p in cases(kind) if p.values[0].fixer == fixer])
        for kind in ("rewrites", "unchanged")
    }
    assert counts["rewrites"] >= 5, f"tests/fixers/{fixer}/rewrites.yaml: {counts}"
    assert counts["unchanged"] >= 0.65 * counts["rewrites"], f"{fixer}: {counts}"


@pytest.mark.parametrize("fixer", [*fixers.names()])
def test_a_fixer_without_parameters_or_files_leaves_everything_alone(fixer: str) -> None:
    empty = Case(fixer, "unchanged", "empty", {"files": {}})
    assert isinstance(fixers.load(fixer)(work_for(empty, {})), str)


@pytest.mark.parametrize("fixer", [*fixers.names()])
def test_a_fixer_says_what_it_rewrites_its_source_and_when_it_leaves_code_alone(fixer: str) -> None:
    propose = fixers.load(fixer)
    text = importlib.import_module(propose.__module__).__doc__ or ""
    assert "->" in text
    assert "https://" in text
    assert "Left alone:" in text


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    case=st.sampled_from([p.values[0] for p in cases("rewrites")]),
    cut=st.floats(0, 1),
    length=st.integers(0, 12),
    junk=st.text(alphabet="ax \n\t'\"\\[]{}():,.#%&*-\0\ud7ffä\r", max_size=6),
)
def test_a_fixer_answers_whatever_was_done_to_the_files(
    case: Case, cut: float, length: int, junk: str, applied: Applied
) -> None:
    files = {}
    for path, text in case.body["files"].items():
        at = int(cut * len(text))
        files[path] = text[:at] + junk + text[at + length :]
    answer = fixers.load(case.fixer)(work_for(case, files))
    if isinstance(answer, fixers.Proposal):
        assert applied(files, answer.edits) != files


@pytest.mark.parametrize("text", ["[" * 3_000, "(" * 3_000, "a: " * 3_000, "\0", "\ufeff", ""])
def test_a_fixer_answers_for_files_that_no_parser_likes(text: str) -> None:
    for param in cases("rewrites"):
        case = param.values[0]
        files = dict.fromkeys(case.body["files"], text)
        assert isinstance(fixers.load(case.fixer)(work_for(case, files)), str)


def test_code_with_doubtful_escapes_is_read_without_a_word(applied: Applied) -> None:
    text = "x = re.sub('\\d', '', frame['amout'])\n"
    body = {
        "parameters": {"column": "amout", "suggestions": "amount"},
        "facts": {"task_file": "t.py"},
        "files": {"t.py": text},
    }
    case = Case("rename_column", "rewrites", "escapes", body)
    answer = fixers.load("rename_column")(work_for(case, body["files"]))
    assert isinstance(answer, fixers.Proposal)
    assert applied(body["files"], answer.edits)["t.py"] == text.replace("amout", "amount")

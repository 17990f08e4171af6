"""The table of conditions, their templates, and what conditions without an entry fall to."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from agent.matrix import fallback
from agent.matrix.entries import Entry
from agent.matrix.native import conditions, templates, wordings
from agent.records import Identity


def test_a_sub_condition_says_its_parents_words_first() -> None:
    (found,) = conditions.known("DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE")
    assert found.sqlstate == "42K09"
    assert found.template.startswith("Cannot resolve <sqlExpr> due to data type mismatch: the")
    assert found in conditions.subs("DATATYPE_MISMATCH")


def test_the_table_holds_the_conditions_of_three_projects() -> None:
    systems = [one.system for one in conditions.every()]
    assert systems.count("spark") > 2000
    assert systems.count("delta") > 400
    assert not conditions.known("NO_SUCH_THING")
    assert not any(conditions.known(code) for code in conditions.FORMER)


def test_older_wordings_stand_for_conditions_of_today() -> None:
    known = {wording.code for wording in wordings.OLDER if conditions.known(wording.code)}
    assert {wording.code for wording in wordings.OLDER} - known == {"DELTA_METADATA_MISMATCH"}


@pytest.mark.parametrize(
    ("template", "text", "parameters"),
    [
        ("Cannot cast <a> <b> to <c>.", 'Cannot cast `x y`.`to` "INT" to "A, to B".',
         {"a": "`x y`.`to`", "b": '"INT"', "c": '"A, to B"'}),
        ("<a>, <b>: <c>", "f(1, 2), [x, y]: z", {"a": "f(1, 2)", "b": "[x, y]", "c": "z"}),
        ("Near <error><hint>.", "Near 'x'.", {"error": "'x'", "hint": ""}),
        ("The <a>\nis <b>.", "The   x\n  is\n y.", {"a": "x", "b": "y"}),
        ("It is <a> and <b>.", "It is don't and won't.", {"a": "don't", "b": "won't"}),
        ("First set <a> here, then <b> too.", "First set `x` there, later then `y` also",
         {"a": "`x`", "b": "`y`"}),
        ("Caf\u00e9 <a>", "Caf\u00e9 noir", {"a": "noir"}),
    ],
)  # fmt: skip
def test_values_are_found_by_the_words_around_them(
    template: str, text: str, parameters: dict[str, str]
) -> None:
    assert templates.fit(template, text).parameters == parameters


def test_a_text_alone_shows_its_condition() -> None:
    found = templates.recognised("Cannot rename table: The pivot column `p` is odd")
    assert found is None
    found = templates.recognised("Assertion: Cannot write into v1 table: `t`.")
    assert found is not None
    assert found[0].code == "_LEGACY_ERROR_TEMP_1012"


def test_the_table_is_read_from_json_jars_and_folders(tmp_path: Path) -> None:
    spark = {"A_B": {"message": ["One <x>", "two."], "sqlState": "42000",
                     "subClass": {"SUB": {"message": ["Three."]}}}}  # fmt: skip
    delta = {"DELTA_X": {"message": ["Odd."]}}
    with zipfile.ZipFile(tmp_path / "spark-common-utils-java_2.13-9.jar", "w") as jar:
        jar.writestr("error/error-conditions.json", json.dumps(spark))
    (tmp_path / "delta-error-classes.json").write_text(json.dumps(delta))
    tables = conditions.read([tmp_path])
    assert tables == {
        "spark": {"A_B": ["42000", "One <x>\ntwo."], "A_B.SUB": ["", "Three."]},
        "delta": {"DELTA_X": ["", "Odd."]},
    }
    (sub,) = conditions.grouped(tables)["A_B.SUB"]
    assert (sub.sqlstate, sub.template) == ("42000", "One <x>\ntwo. Three.")


def general(entry: str, category: str, *names: str, states: tuple[str, ...] = ()) -> Entry:
    return Entry.model_validate(
        {
            "id": entry,
            "title": "t",
            "category": category,
            "level": "general",
            "conditions": names,
            "sqlstates": states,
            "cause": "{condition}",
            "solution": "s",
            "remedy": "escalate",
            "sources": ["https://example.org"],
            "examples": ["e"],
            "counter_examples": ["c"],
        }
    )


@pytest.mark.parametrize(
    ("system", "code", "state", "entry"),
    [
        ("spark", "ODD_NOT_FOUND", None, "a.missing"),
        ("spark", "ODD_STATE_STORE_NOT_FOUND", None, "a.streaming"),
        ("databricks", "ODD", "42P99", "a.missing"),
        ("spark", "ODD_NOT_FOUND", "22000", "a.missing"),
        ("http", "ODD_NOT_FOUND", None, None),
        ("spark", "ODD", "99999", None),
    ],
)
def test_a_name_falls_to_the_entry_that_spells_out_most_of_it(
    system: str, code: str, state: str | None, entry: str | None
) -> None:
    entries = [
        general("a.missing", "missing_object", "*_NOT_FOUND*", states=("42P",)),
        general("a.streaming", "streaming", "*STATE_STORE*_NOT_FOUND*"),
        general("a.quality", "data_quality", states=("22",)),
    ]
    named = Identity(system=system, code=code, sqlstate=state)
    found = fallback.chosen(entries, named)[0]
    assert (found.id if found else None) == entry


@pytest.mark.parametrize(
    ("name", "glob", "like"),
    [
        ("A_NOT_FOUND", "*_NOT_FOUND", True),
        ("A_NOT_FOUND.B", "*_NOT_FOUND", False),
        ("A_NOT_FOUND.B", "*_NOT_FOUND*", True),
        ("STATE_X", "STATE_*_X", False),
        ("STATE_A_X", "STATE_*_X", True),
        ("AXB", "A*B", True),
        ("EXACT", "EXACT", True),
        ("AB", "AB*B", False),
    ],
)
def test_a_star_stands_for_any_characters(name: str, glob: str, *, like: bool) -> None:
    assert fallback.is_like(name, glob) is like


@pytest.mark.slow
def test_nearly_all_conditions_are_named_with_their_parameters(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "benchmarks/conditions.py", "--json", tmp_path / "numbers.json"],
        cwd=root, env={"PYTHONPATH": str(root)}, check=True,
    )  # fmt: skip
    rows = json.loads((tmp_path / "numbers.json").read_text())
    for carrier in ("python", "java", "bare"):
        assert rows[carrier]["conditions"] >= 0.99
        assert rows[carrier]["parameters"] >= 0.95
    assert rows["text"]["conditions"] >= 0.9

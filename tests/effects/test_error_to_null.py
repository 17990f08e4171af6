"""An error that becomes NULL hides bad data: whoever proposes it, a person is asked."""

import pytest

from agent import effects
from agent.records import Edit, Patch, Risk

F = "from pyspark.sql import functions as F\n"


def kinds(path: str, before: str, after: str) -> list[str]:
    return [e.kind for e in effects.of_change(path, before, after)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("select a / b from t", "select a / nullif(b, 0) from t"),
        ("select a / b from t", "select try_divide(a, b) from t"),
        ("select a % b from t", "select try_mod(a, b) from t"),
        ("select cast(a as int) from t", "select try_cast(a as int) from t"),
        ("select a::int from t", "select a ?:: int from t"),
        ("select element_at(a, 1) from t", "select try_element_at(a, 1) from t"),
        ("select to_timestamp(a) from t", "select try_to_timestamp(a) from t"),
        (
            "select nullif(a, 0), 1 / b from t",
            "select nullif(a, 0), 1 / nullif(b, 0) from t",
        ),
    ],
)
def test_sql_that_gives_null_instead_of_an_error_asks(before: str, after: str) -> None:
    assert kinds("q.sql", before, after) == ["error_to_null"]
    assert kinds("t.py", f"spark.sql('{before}')", f"spark.sql('{after}')") == ["error_to_null"]
    assert "error_to_null" not in kinds("q.sql", after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = df.a / df.b", "x = F.try_divide(df.a, df.b)"),
        ("x = df.a / df.b", "x = df.a / F.nullif(df.b, F.lit(0))"),
        ("x = df.a.cast('int')", "x = df.a.try_cast('int')"),
        ("x = F.expr('a / b')", "x = F.expr('try_divide(a, b)')"),
        ("x = df.selectExpr('a / b', 'c')", "x = df.selectExpr('a / nullif(b, 0)', 'c')"),
        ("x = df.where('cast(a as int) > 1')", "x = df.where('try_cast(a as int) > 1')"),
    ],
)
def test_spark_code_that_gives_null_instead_of_an_error_asks(before: str, after: str) -> None:
    assert "error_to_null" in kinds("t.py", F + before, F + after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("select try_cast(amout as int) from t", "select try_cast(amount as int) from t"),
        ("select a from t", "select a, cast(b as int), to_date(c), d[0], e / f from t"),
        ("select nullif(a, '') from t", "select b, nullif(a, '') from t"),
    ],
)
def test_what_was_lenient_before_or_never_is_no_new_leniency(before: str, after: str) -> None:
    assert "error_to_null" not in kinds("q.sql", before, after)


def test_a_function_of_the_code_itself_is_not_sparks() -> None:
    before = "def try_again(x):\n    return x\n"
    assert "error_to_null" not in kinds("t.py", before, before + "y = try_again(1)\n")


def test_a_patch_that_hides_an_error_waits_for_a_person_whoever_wrote_it() -> None:
    before, after = "select a / b from t\n", "select try_divide(a, b) from t\n"
    for author in ("fixer:zero_divisor", "model:claude", "person:ana"):
        edit = Edit(path="q.sql", old=before, new=after)
        patch = Patch(edits=(edit,), rationale="x", author=author)
        found = effects.of_patch(patch, {"q.sql": before}.get, {"q.sql": after}.get)
        assert [(e.kind, e.risk) for e in found] == [("error_to_null", Risk.ASK)]
        assert found[0].line == 1

"""The SQL of pipelines is read as what it is: its tables, and the expectations it holds."""

import pytest

from agent import effects
from agent.code import pipelinesql

TABLE = (
    "CREATE OR REFRESH STREAMING TABLE clean\n"
    "  (CONSTRAINT ok EXPECT (id > 0) ON VIOLATION FAIL UPDATE)\n"
    "AS SELECT id, amout FROM STREAM(LIVE.raw);\n"
)


def kinds(before: str, after: str) -> list[str]:
    return [e.kind for e in effects.of_change("q.sql", before, after)]


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "CREATE LIVE TABLE a (x int, CONSTRAINT k EXPECT (x > (1))) AS SELECT 1 AS x",
        "CREATE OR REFRESH PRIVATE MATERIALIZED VIEW v AS SELECT * FROM STREAM main.a.b",
        "CREATE STREAMING LIVE TABLE z AS SELECT 1",
        "CREATE STREAMING TABLE t (CONSTRAINT k EXPECT (a",
    ],
)
def test_the_plain_text_has_the_same_places(text: str) -> None:
    plain = pipelinesql.plain(text)
    assert len(plain) == len(text)
    assert [len(line) for line in plain.splitlines()] == [len(s) for s in text.splitlines()]
    assert "LIVE" not in plain
    assert "STREAM" not in plain


@pytest.mark.parametrize(
    "text",
    [
        "SELECT stream, live.id FROM stream JOIN live ON live.id = stream.id",
        "CREATE OR REPLACE TABLE t (CONSTRAINT c CHECK (a > 1))",
        "REFRESH TABLE x",
    ],
)
def test_other_sql_stays_as_it_is(text: str) -> None:
    assert pipelinesql.plain(text) == text


def test_a_renamed_column_in_a_pipelines_table_changes_nothing_else() -> None:
    assert kinds(TABLE, TABLE.replace("amout", "amount")) == []
    assert kinds(TABLE, TABLE.replace("id > 0", "order_id > 0")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FAIL UPDATE", "DROP ROW"),
        (" ON VIOLATION FAIL UPDATE", ""),
        ("id > 0", "id > -1"),
        ("(CONSTRAINT ok EXPECT (id > 0) ON VIOLATION FAIL UPDATE)", ""),
    ],
)
def test_an_expectation_that_is_weaker_or_gone_asks(old: str, new: str) -> None:
    assert kinds(TABLE, TABLE.replace(old, new)) == ["check_weakened"]


def test_a_new_table_of_a_pipeline_is_a_new_table() -> None:
    assert kinds(TABLE, TABLE + "CREATE MATERIALIZED VIEW b AS SELECT 1;\n") == ["table_write"]

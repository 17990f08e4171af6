"""The user's own line, and an error's own name."""

import pytest

from agent import matrix

LAYOUTS = {
    "python": (
        'Traceback (most recent call last):\n  File "/srv/etl/load.py", line 7, in load\n'
        "    go()\n"
        '  File "/env/lib/python3.11/site-packages/requests/api.py", line 59, in request\n'
        "ZorpError: odd\n",
        ("/srv/etl/load.py", 7, None),
    ),
    "ipython": (
        "---------------------------------------------------------------------------\n"
        "ZorpError                                 Traceback (most recent call last)\n"
        "Cell In[3], line 2\n      1 x = 1\n----> 2 go(x)\n\n"
        "File /env/lib/python3.11/site-packages/lib/api.py:59, in go(x)\n     58 def go(x):\n"
        "---> 59     raise ZorpError('odd')\n\nZorpError: odd\n",
        ("In[3]", 2, 2),
    ),
    "old ipython": (
        "ZorpError                                 Traceback (most recent call last)\n"
        "<ipython-input-4-abc> in <module>\n      1 x = 1\n----> 2 go(x)\n\n"
        "/env/lib/python3.9/site-packages/lib/api.py in go(x)\n---> 59     raise\n\n"
        "ZorpError: odd\n",
        ("<ipython-input-4-abc>", 2, None),
    ),
    "databricks": (
        "ZorpError: odd\nFile <command-12345>, line 9\n      7 a\n----> 9 go(x)\n"
        "File /databricks/spark/python/pyspark/sql/utils.py:261, in deco(*a, **kw)\n",
        ("<command-12345>", 9, None),
    ),
    "bundle": (
        "Error: zorp is odd\n  at resources.jobs.nightly\n  in resources/nightly.yml:4:7\n",
        ("resources/nightly.yml", 4, None),
    ),
    "dbt": (
        "Database Error in model sales (models/gold/sales.sql)\n  zorp is odd\n",
        ("models/gold/sales.sql", None, None),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_users_own_line_is_found_in_every_layout(shipped: matrix.Matrix, layout: str) -> None:
    text, expected = LAYOUTS[layout]
    found = shipped.diagnose_text(text, "x").location
    assert found is not None
    assert (found.path, found.line, found.cell) == expected


def test_a_trace_of_library_frames_alone_names_no_place(shipped: matrix.Matrix) -> None:
    text = 'Traceback:\n  File "/env/lib/python3.11/json/x.py", line 7\nZorpError: odd\n'
    assert shipped.diagnose_text(text, "x").location is None


@pytest.mark.parametrize(
    ("text", "system", "code", "sqlstate"),
    [
        (
            "AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `x` cannot"
            " be resolved. SQLSTATE: 42703",
            "spark",
            "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            "42703",
        ),
        ("[DELTA_ODD_THING] It is odd. SQLSTATE: KD009", "delta", "DELTA_ODD_THING", "KD009"),
        ("ORA-01017: invalid username/password", "oracle", "ORA-01017", None),
        ("WORKFLOW_EXECUTION_0049: Cluster not found", "aidp", "WORKFLOW_EXECUTION_0049", None),
        ("requests.exceptions.HTTPError: 503 Server Error: x", "http", "HTTPError", None),
        ("botocore.exceptions.NoCredentialsError: no", "python", "NoCredentialsError", None),
        ("java.lang.OutOfMemoryError: Java heap space", "java", "OutOfMemoryError", None),
        ("_duckdb.ParserException: Parser Error: syntax error", "duckdb", "ParserException", None),
        ("zorp.ZorpError: odd", "python", "ZorpError", None),
    ],
)
def test_an_errors_own_name_is_given_also_where_no_entry_fits(
    shipped: matrix.Matrix, text: str, system: str, code: str, sqlstate: str | None
) -> None:
    found = shipped.diagnose_text(text, "x").identity
    assert found is not None
    assert (found.system, found.code, found.sqlstate) == (system, code, sqlstate)


def test_qualified_names_are_dotted_and_without_quotes(shipped: matrix.Matrix) -> None:
    text = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`gold`.`sales` cannot be found."
    assert shipped.diagnose_text(text, "x").parameters == {"table": "main.gold.sales"}


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("[ODD_COLUMN_THING] odd", "schema"),
        ("[ODD_THING] odd. SQLSTATE: 22030", "data_quality"),
        ("[ODD_THING_NOT_FOUND] odd", "missing_object"),
        ("[ODD_THING_ALREADY_EXISTS] odd", "resource_conflict"),
        ("[ODD_STREAM_THING] odd", "streaming"),
        ("[UNSUPPORTED_ODDITY] odd. SQLSTATE: 0A000", "config"),
    ],
)
def test_an_unknown_condition_gets_the_category_of_its_name_or_state(
    shipped: matrix.Matrix, text: str, category: str
) -> None:
    found = shipped.diagnose_text(f"pyspark.errors.AnalysisException: {text}", "x")
    assert found.category == category
    assert found.confidence <= 0.8

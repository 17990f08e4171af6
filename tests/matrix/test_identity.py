"""An error's own name: who gave it, its code and state, what its message names."""

import pytest

from agent import matrix
from agent.matrix.native import identity
from agent.records import Identity

COLUMN = (
    "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name"
    " `o`.`amout` cannot be resolved. Did you mean one of the following? [`o`.`amount`, `o`.`id`]."
)
NAMES = {"objectName": "o.amout", "proposal": "o.amount, o.id"}


def named(shipped: matrix.Matrix, text: str) -> Identity:
    found = shipped.diagnose_text(text, "x").identity
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "exception"),
    [
        (f"pyspark.errors.exceptions.captured.AnalysisException: {COLUMN} SQLSTATE: 42703; line 1"
         " pos 7;\n'Project ['o.amout]\n+- SubqueryAlias o\n", "AnalysisException"),
        (f"py4j.protocol.Py4JJavaError: An error occurred while calling o72.sql.\n"
         f": org.apache.spark.sql.AnalysisException: {COLUMN} SQLSTATE: 42703\n"
         "\tat org.apache.spark.sql.Dataset.select(Dataset.scala:1)\n", "AnalysisException"),
        (f"Error in SQL statement: ExtendedAnalysisException: {COLUMN} SQLSTATE: 42703; line 3",
         "ExtendedAnalysisException"),
        (f"2026-07-01 10:00:00 ERROR Load: the query failed: {COLUMN}", None),
        (COLUMN.replace("one of", "one\nof").replace("name `", "name\n  `"), None),
        (f"AnalysisException: {COLUMN[1:].replace(']', ':', 1)}", "AnalysisException"),
        (f"(errorClass = UNRESOLVED_COLUMN.WITH_SUGGESTION) {COLUMN.partition('] ')[2]}", None),
        ("AnalysisException: " + COLUMN.replace(".WITH_SUGGESTION", ""), "AnalysisException"),
        ("AnalysisException: " + COLUMN.partition("] ")[2] + ";\n'Project", "AnalysisException"),
        ('{"errorClass": "UNRESOLVED_COLUMN.WITH_SUGGESTION", "sqlState": "42703",'
         ' "messageParameters": {"objectName": "`o`.`amout`",'
         ' "proposal": "`o`.`amount`, `o`.`id`"}}',
         None),
        ("pyspark.sql.utils.AnalysisException: cannot resolve '`o`.`amout`' given input columns:"
         " [o.amount, o.id]; line 1 pos 7;\n'Project ['o.amout]\n", "AnalysisException"),
    ],
)  # fmt: skip
def test_a_condition_is_read_from_everything_that_carries_it(
    shipped: matrix.Matrix, text: str, exception: str | None
) -> None:
    found = named(shipped, text)
    assert (found.system, found.code) == ("spark", "UNRESOLVED_COLUMN.WITH_SUGGESTION")
    assert found.sqlstate == "42703"
    assert NAMES.items() <= found.parameters.items()
    assert found.exception == exception


@pytest.mark.parametrize(
    ("text", "system", "code", "state", "parameters"),
    [
        ("SparkException: [_LEGACY_ERROR_TEMP_2109] Cannot build it.", "spark",
         "_LEGACY_ERROR_TEMP_2109", None, {}),
        ("org.apache.spark.SparkException: [CONNECT] Generic Spark Connect error. SQLSTATE: 56K00",
         "spark", "CONNECT", "56K00", {}),
        ("AnalysisException: [ODD_NEW_CONDITION.SUB_2] The table `a`.`b` is odd. SQLSTATE: 42K99",
         "databricks", "ODD_NEW_CONDITION.SUB_2", "42K99", {"objectName": "a.b"}),
        ("DeltaAnalysisException: [DELTA_ODD_NEW] odd", "delta", "DELTA_ODD_NEW", None, {}),
        ("AnalysisException: [MISSING_COLUMN] Column 'x' does not exist.", "spark",
         "MISSING_COLUMN", None, {}),
        ("org.apache.spark.sql.streaming.StreamingQueryException: [STREAM_FAILED] Query [id = 1,"
         " runId = 2] terminated with exception: [DIVIDE_BY_ZERO] Division by zero.", "spark",
         "DIVIDE_BY_ZERO", "22012", {}),
        ("[PARSE_SYNTAX_ERROR] Syntax error at or near 'FORM': missing 'FROM'. SQLSTATE: 42601"
         " (line 1, pos 9)\n\n== SQL ==\nselect 1 FORM x\n---------^^^\n", "spark",
         "PARSE_SYNTAX_ERROR", "42601", {"error": "FORM", "hint": ": missing 'FROM'"}),
        ("AnalysisException: Table or view not found: gold.sales; line 1 pos 14", "spark",
         "TABLE_OR_VIEW_NOT_FOUND", "42P01", {"relationName": "gold.sales"}),
        ("pyspark.errors.exceptions.base.PySparkTypeError: [NOT_STR] Argument `col` should be a"
         " str, got int.", "spark", "NOT_STR", None, {"arg_name": "col", "arg_type": "int"}),
        ("oracledb.exceptions.DatabaseError: ORA-06512: at \"HR.LOAD\", line 3\n"
         "ORA-00904: \"S\".\"AMOUT\": invalid identifier\nHelp: https://docs.oracle.com/ora-00904/",
         "oracle", "ORA-00904", None, {"column": "S.AMOUT"}),
        ("ORA-12899: value too large for column \"HR\".\"EMP\".\"NAME\" (actual: 12, maximum: 10)",
         "oracle", "ORA-12899", None,
         {"column": "HR.EMP.NAME", "actual": "12", "maximum": "10"}),
        ("Task failed: WORKFLOW_EXECUTION_0036: it stopped", "aidp", "WORKFLOW_EXECUTION_0036",
         None, {}),
        ('{"error_code": "QUOTA_EXCEEDED", "message": "no more", "status": 429}', "http",
         "QUOTA_EXCEEDED", None, {"status": "429"}),
        ("oci.exceptions.ServiceError: {'status': 409, 'code': 'IncorrectState', 'opc-request-id':"
         " 'AB12/CD34', 'message': 'odd'}", "http", "IncorrectState", None,
         {"status": "409", "request_id": "AB12/CD34"}),
        ("botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the"
         " PutObject operation: Access Denied", "http", "AccessDenied", None,
         {"operation": "PutObject"}),
        ("google.api_core.exceptions.Forbidden: 403 POST https://bigquery.example.org/jobs: no",
         "http", "Forbidden", None,
         {"status": "403", "method": "POST", "url": "https://bigquery.example.org/jobs"}),
        ("azure.core.exceptions.HttpResponseError: odd\nErrorCode:AuthorizationFailure", "http",
         "AuthorizationFailure", None, {}),
        ("requests.exceptions.HTTPError: 503 Server Error: x for url: https://a.example.org/b",
         "http", "HTTPError", None, {"status": "503", "url": "https://a.example.org/b"}),
        ("ERROR task exited with code 137", "process", "137", None,
         {"exit_code": "137", "signal": "SIGKILL"}),
        ("Task exited with return code Negsignal.SIGKILL", "process", "SIGKILL", None,
         {"signal": "SIGKILL"}),
        ("ERROR: worker died with signal 11", "process", "SIGSEGV", None, {"signal": "SIGSEGV"}),
        ("ERROR child exited with code -9", "process", "-9", None, {"signal": "SIGKILL"}),
        ("Database Error in model sales (models/gold/sales.sql)\n  odd words", "dbt",
         "Database Error", None, {"node": "sales", "path": "models/gold/sales.sql"}),
        ("_duckdb.BinderException: Binder Error: odd", "duckdb", "BinderException", None, {}),
        ("psycopg2.errors.UndefinedTable: relation \"x\" does not exist", "python",
         "UndefinedTable", "42P01", {}),
        ("Caused by: java.net.UnknownHostException: db.example.org: Name or service not known",
         "java", "UnknownHostException", None, {"host": "db.example.org"}),
        ("DRIVER_EVICTION (CLIENT_ERROR): the driver was evicted, run failed", "databricks",
         "DRIVER_EVICTION", None, {"type": "CLIENT_ERROR"}),
    ],
)  # fmt: skip
def test_every_system_names_its_errors_in_its_own_way(
    shipped: matrix.Matrix,
    text: str,
    system: str,
    code: str,
    state: str | None,
    parameters: dict[str, str],
) -> None:
    found = named(shipped, text)
    assert (found.system, found.code, found.sqlstate) == (system, code, state)
    assert parameters.items() <= found.parameters.items()


@pytest.mark.parametrize(
    ("said", "parameters"),
    [
        ("KeyError: 'amount'", {"key": "amount"}),
        ("NameError: name 'spork' is not defined", {"name": "spork"}),
        ("ModuleNotFoundError: No module named 'odd.thing'", {"module": "odd.thing"}),
        ("ImportError: cannot import name 'loadz' from 'json' (/usr/lib/json.py)",
         {"name": "loadz", "module": "json"}),
        ("AttributeError: 'DataFrame' object has no attribute 'amout'",
         {"type": "DataFrame", "attribute": "amout"}),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'in/a.csv'",
         {"path": "in/a.csv", "errno": "2"}),
        ("TypeError: load() got an unexpected keyword argument 'dya'",
         {"function": "load", "argument": "dya"}),
        ("TypeError: load() missing 1 required positional argument: 'day'",
         {"function": "load", "argument": "day"}),
        ("ValueError: invalid literal for int() with base 10: '1x'", {"value": "1x"}),
        ("SyntaxError: invalid syntax (load.py, line 7)", {"path": "load.py", "line": "7"}),
    ],
)  # fmt: skip
def test_pythons_exceptions_say_what_their_messages_name(
    shipped: matrix.Matrix, said: str, parameters: dict[str, str]
) -> None:
    found = named(shipped, f'Traceback (most recent call last):\n  File "a.py", line 1\n{said}\n')
    assert found.code == found.exception == said.partition(":")[0]
    assert parameters.items() <= found.parameters.items()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("`main`.`gold`.`sales`", "main.gold.sales"),
        ("`order id`", "order id"),
        ('"DECIMAL(10, 2)"', "DECIMAL(10, 2)"),
        ("`a`.`x`, `b`.`y`", "a.x, b.y"),
        ("[`id`, `day`]", "id, day"),
        ('"S"."AMOUT"', "S.AMOUT"),
        ("it's", "it's"),
        ("s3://lake/gold", "s3://lake/gold"),
    ],
)
def test_names_are_dotted_and_lists_keep_their_commas(value: str, plain: str) -> None:
    assert identity.plain_name(value) == plain


@pytest.mark.parametrize(
    "text",
    [
        "[INFO] all is well, 3 rows",
        "2026-07-01 10:00:00 INFO [STEP_ONE] reading orders",
        "the words ORACLE and WORKFLOW are no codes",
    ],
)
def test_ordinary_lines_have_no_name(shipped: matrix.Matrix, text: str) -> None:
    assert shipped.diagnose_text(text, "x").identity is None


def test_a_hostile_line_takes_no_long_time(shipped: matrix.Matrix) -> None:
    text = "AnalysisException: [A_B] " + "`" * 4000 + "(" * 4000 + "[A_" * 2000 + "\nOf: " * 50
    assert shipped.diagnose_text(text, "x").identity is not None

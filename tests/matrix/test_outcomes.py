"""What a log ends with: a failure that was only warned of, success, the first of two failures."""

import time

import pytest

from agent import matrix
from agent.matrix.logs import reading, structure
from agent.matrix.logs.kinds import Kind

REFUSED = (
    "Traceback (most recent call last):\n"
    '  File "/srv/feed/token.py", line 12, in renew\n'
    "    answer = post(url)\n"
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='login.feed.example', port=443):"
    " Max retries exceeded\n"
)
WARNED = "2026-07-01 10:00:00 WARNING feed: Could not renew the token\n" + REFUSED


def read(text: str) -> structure.Reading:
    """Return the structure of a text."""
    return structure.read(reading.gather(text, lambda _: True))


def kinds(text: str) -> list[str]:
    """Return the names of the lines' kinds."""
    return [kind.name for kind in read(text).kinds]


def test_a_trace_below_a_warning_is_the_failure_where_the_log_ends(shipped: matrix.Matrix) -> None:
    found = shipped.diagnose_text(WARNED, "x")
    assert found.category == "network"
    assert found.confidence < 0.8
    assert found.identity is not None
    assert found.identity.exception == "ConnectionError"
    assert found.location is not None
    assert found.location.line == 12


def test_a_trace_below_a_warning_is_none_where_the_work_went_on(shipped: matrix.Matrix) -> None:
    text = WARNED + "2026-07-01 10:00:09 INFO feed: token renewed\n2026-07-01 10:00:10 INFO rows\n"
    assert shipped.diagnose_text(text, "x").verdict == "no_failure"


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (
            "WARNING:feed:429 Too Many Requests, retrying in 2 s\n"
            "WARNING:feed:429 Too Many Requests, retrying in 4 s\n",
            "quota_rate_limit",
        ),
        ("Clusters are failing to launch. Cluster launch will be retried.", "cluster_infra"),
        ("2026-07-01 WARN plan: Cancelled run 8 because of timeout of 2 hours", "timeout"),
        (
            "[2026-07-01, 10:00:00 UTC] {spark_submit.py:400} INFO - 26/07/01 10:00:00 WARN"
            " TaskSchedulerImpl: Initial job has not accepted any resources; check your cluster UI"
            " to ensure that workers are registered and have sufficient resources\n"
            "[2026-07-01, 10:09:00 UTC] {taskinstance.py:1400} INFO - Marking task as FAILED.\n",
            "cluster_infra",
        ),
    ],
)
def test_what_the_log_ends_with_is_the_failure(
    shipped: matrix.Matrix, text: str, category: str
) -> None:
    assert shipped.diagnose_text(text, "x").category == category


def test_what_was_tried_again_and_then_went_on_is_no_failure(shipped: matrix.Matrix) -> None:
    text = "WARNING:feed:429 Too Many Requests, retrying in 2 s\nINFO:feed:got 200 rows\n"
    assert shipped.diagnose_text(text, "x").verdict == "no_failure"


def test_a_warning_of_the_jvm_alone_is_no_failure() -> None:
    text = "26/07/01 10:00:00 WARN FileSystem: java.io.IOException: cannot remove /tmp/a\n"
    assert Kind.LAST.name not in kinds(text)


def test_retries_up_to_the_end_are_part_of_the_failure() -> None:
    text = (
        "WARN connection to db-1:5432 refused, retrying in 5 s\n"
        "ERROR load: giving up, retries exhausted\n"
    )
    assert kinds(text) == ["LAST", "ERROR"]


@pytest.mark.parametrize(
    "message",
    [
        "ImportError: cannot import name 'deprecated' from 'typing_extensions'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/in/skipping.csv'",
        "ValueError: ignoring the header needs skiprows",
        "Exception: the load will be retried by nobody",
        "AnalysisException: [_LEGACY_ERROR_TEMP_1013] ignoring is not supported",
    ],
)
def test_words_of_a_message_make_no_warning_of_an_exception(message: str) -> None:
    assert kinds(message) == ["FINAL"]


def test_a_key_of_nought_is_an_error() -> None:
    assert kinds("KeyError: 0") == ["FINAL"]
    assert kinds("errors: 0") == ["NOISE"]
    assert kinds("rows without a key      0") == ["NOISE"]


def test_a_sentence_that_starts_with_a_number_is_no_code() -> None:
    assert kinds("27 of 30 alerts synced, 3 failed items") != ["CODE"]
    assert kinds("      3 frame.load()") == ["CODE"]
    assert kinds("3 frame = load()") == ["CODE"]


TASK = (
    "=== {task}\n{said}"
    "Traceback (most recent call last):\n"
    '  File "/jobs/{task}.py", line {line}, in main\n'
    "    {code}\n"
    "{error}\n"
)
WRITER = {
    "task": "make",
    "said": "writing lake.gold.orders\n",
    "line": 5,
    "code": "rows()",
    "error": "oracledb.exceptions.DatabaseError: ORA-01017: invalid credential or not authorized",
}
READER = {
    "task": "report",
    "said": "",
    "line": 8,
    "code": "table()",
    "error": "pyspark.errors.AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view"
    " `lake`.`gold`.`orders` cannot be found. SQLSTATE: 42P01",
}


def test_a_failure_that_lacks_what_an_earlier_one_should_have_made_is_its_consequence(
    shipped: matrix.Matrix,
) -> None:
    found = shipped.diagnose_text(TASK.format(**WRITER) + TASK.format(**READER), "x")
    assert found.category == "auth"
    assert found.location is not None
    assert found.location.path == "/jobs/make.py"


def test_of_two_failures_that_have_nothing_in_common_the_last_counts() -> None:
    other = {**WRITER, "said": "writing lake.silver.clients\n"}
    found = read(TASK.format(**other) + TASK.format(**READER))
    assert found.final is not None
    assert "TABLE_OR_VIEW_NOT_FOUND" in found.lines[found.final].clean


def test_a_log_that_ends_in_a_trace_names_its_exception_above_it(shipped: matrix.Matrix) -> None:
    text = (
        "feed-1  | Task feed.load[81] raised unexpected: DeadlockDetected('deadlock detected')\n"
        "feed-1  | Traceback (most recent call last):\n"
        'feed-1  |   File "/srv/feed/tasks.py", line 6, in load\n'
        "feed-1  |     store.save(rows)\n"
        'feed-1  |   File "/srv/feed/store.py", line 20, in save\n'
        "feed-1  |     cursor.execute(insert)\n"
    )
    found = shipped.diagnose_text(text, "x")
    assert found.identity is not None
    assert found.identity.exception == "DeadlockDetected"
    assert found.location is not None
    assert (found.location.path, found.location.line) == ("/srv/feed/store.py", 20)


@pytest.mark.parametrize(
    ("text", "exception", "place"),
    [
        (
            'Traceback (most recent call last): File "/srv/a.py", line 7, in main run() '
            "File \"/srv/b.py\", line 31, in run return rows[key] KeyError: 'region'",
            "KeyError",
            ("/srv/b.py", 31),
        ),
        (
            "java.lang.IllegalArgumentException: Wrong FS: hdfs://a, expected: file:/// at"
            " org.apache.hadoop.fs.FileSystem.checkPath(FileSystem.java:7) at"
            " com.acme.Load.run(Load.java:44) at com.acme.Main.main(Main.java:12)",
            "IllegalArgumentException",
            ("Load.java", 44),
        ),
        (
            "Traceback (most recent call last):\n"
            '  File "/srv/a.py", line 4, in <module>\n'
            "    model(x=1)\n"
            '  File "pydantic/main.py", line 3, in pydantic.main.BaseModel.__init__\n'
            "pydantic.error_wrappers.ValidationError: 1 validation error for Row\n",
            "ValidationError",
            ("/srv/a.py", 4),
        ),
        (
            "2026-07-01T23:01:13.8769139Z Error: Reference to undeclared input variable\n"
            '2026-07-01T23:01:13.8769412Z   on jobs/main.tf line 33, in resource "x" "y":\n',
            None,
            ("jobs/main.tf", 33),
        ),
        (
            "Runtime Error in model daily (models/daily.sql)\n"
            "  FAILED: ParseException line 3:24 mismatched input 'table'\n",
            None,
            ("models/daily.sql", 3),
        ),
    ],
    ids=["python in one line", "java in one line", "compiled", "a runner's time", "dbt"],
)
def test_a_place_is_found_in_any_layout(
    shipped: matrix.Matrix, text: str, exception: str | None, place: tuple[str, int]
) -> None:
    found = shipped.diagnose_text(text, "x")
    assert found.location is not None
    assert (found.location.path, found.location.line) == place
    if exception is not None:
        assert found.identity is not None
        assert found.identity.exception == exception


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ERROR:root:(ProgrammingError) (1064, 'syntax')", "ProgrammingError"),
        (
            "feed | 09:45:33.897 | ERROR | a.b - Load failed: (sqlite3.OperationalError) locked",
            "sqlite3.OperationalError",
        ),
        (
            "INFO - feed: <class 'databricks.sql.exc.RequestError'>: 502",
            "databricks.sql.exc.RequestError",
        ),
        ("[ERROR] BadRequest: 400 GET", "BadRequest"),
        ('`ArrowInvalid: ("could not convert")`', "ArrowInvalid"),
        (
            "Caused by: java.io.IOException: Failed on local exception: java.io.IOException:"
            " org.acme.AccessControlException: no token",
            "org.acme.AccessControlException",
        ),
        (
            "a.b.CompletionException: com.acme.hub.ClosedException: gone",
            "com.acme.hub.ClosedException",
        ),
    ],
)
def test_a_class_is_read_behind_what_carries_it(line: str, name: str) -> None:
    assert structure.exception_class(line) == name


def test_a_log_that_ends_in_a_warned_trace_of_the_jvm_may_be_anything(
    shipped: matrix.Matrix,
) -> None:
    text = (
        "26/07/01 10:00:00 INFO StandaloneAppClient: Connecting to master spark://hub:7077...\n"
        "26/07/01 10:00:01 WARN StandaloneAppClient: Failed to connect to master hub:7077\n"
        "org.apache.spark.SparkException: Exception thrown in awaitResult: \n"
        "\tat org.apache.spark.util.ThreadUtils$.awaitResult(ThreadUtils.scala:301)\n"
        "Caused by: java.io.IOException: Failed to connect to hub/10.0.0.4:7077\n"
        "\tat org.apache.spark.network.client.TransportClientFactory.createClient(T.java:288)\n"
    )
    assert shipped.diagnose_text(text, "x").verdict == "not_determined"
    went_on = text + "26/07/01 10:00:09 INFO StandaloneAppClient: Registered with master\n"
    assert shipped.diagnose_text(went_on, "x").verdict == "no_failure"


def test_an_uncaught_exception_is_loud_whatever_another_thread_logs_into_its_line(
    shipped: matrix.Matrix,
) -> None:
    text = (
        'Exception in thread "Executor task launch worker for task 4" 26/07/01 10:00:00 WARN'
        " Executor: Issue communicating with driver in heartbeater\n"
        "org.apache.spark.rpc.RpcTimeoutException: Futures timed out after [10000 milliseconds]."
        " This timeout is controlled by spark.executor.heartbeatInterval\n"
        "\tat org.apache.spark.rpc.RpcTimeout.awaitResult(RpcTimeout.scala:76)\n"
    )
    assert shipped.diagnose_text(text, "x").category == "timeout"


def test_bytes_that_a_logger_writes_as_they_are_are_lines_of_the_program(
    shipped: matrix.Matrix,
) -> None:
    text = (
        "[2026-07-01 10:00:00,123] {bash.py:12} INFO - b'\\x1b[33mDatabase Error in model tides'\n"
        "[2026-07-01 10:00:00,124] {bash.py:12} INFO - b'  Access Denied: Dataset shop:sea: User"
        " does not have bigquery.datasets.update permission for dataset shop:sea'\n"
    )
    assert shipped.diagnose_text(text, "x").category == "permission"


def test_what_finds_nothing_is_the_consequence_of_the_failure_above_it(
    shipped: matrix.Matrix,
) -> None:
    text = (
        "pyspark.sql.utils.AnalysisException: Table or view not found: gold.tides;\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/etl/load.py", line 9, in <module>\n'
        "    frame.write.saveAsTable('gold.harbours')\n"
        "AttributeError: 'NoneType' object has no attribute 'write'\n"
    )
    found = shipped.diagnose_text(text, "x")
    assert (found.category, found.evidence[0].number) == ("missing_object", 1)


def test_a_caught_exception_that_ends_the_program_is_its_failure(shipped: matrix.Matrix) -> None:
    text = (
        "2026-07-01 10:00:00 Caught exception, shutting down...\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/feed/main.py", line 12, in poll\n'
        "    raise ConsumerError(str(error))\n"
        "feed.ConsumerError: KafkaError{code=UNKNOWN_TOPIC_OR_PART,val=3}\n"
        "2026-07-01 10:00:01 Closing <feed.Consumer object>...\n"
    )
    assert shipped.diagnose_text(text, "x").category == "missing_object"


@pytest.mark.parametrize(
    "text",
    ["KeyError: 1\n" * 80_000, "2026-07-01 ERROR feed: table t not found\n" * 40_000],
    ids=["exceptions", "errors"],
)
def test_a_flood_takes_seconds(shipped: matrix.Matrix, text: str) -> None:
    start = time.perf_counter()
    shipped.diagnose_text(text, "x")
    assert time.perf_counter() - start < 10

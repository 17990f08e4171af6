"""What explains a log: deepest cause, wrappers, noise, honest doubt."""

import pytest

from agent import matrix
from agent.records import Diagnosis, Failure, Line, Location

CHAIN = """\
Traceback (most recent call last):
  File "/srv/job/load.py", line 7, in load
    frame["amout"]
  File "/env/lib/python3.11/site-packages/pandas/core/indexes/base.py", line 3812, in get_loc
    raise KeyError(key) from err
KeyError: 'amout'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/job/load.py", line 12, in <module>
    main()
RuntimeError: load failed
"""

SPARK = """\
py4j.protocol.Py4JJavaError: An error occurred while calling o61.save.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 3.0 failed
\tat org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages(DAGScheduler.scala:2844)
Caused by: org.apache.spark.SparkException: Task failed while writing rows.
\tat org.apache.spark.sql.execution.datasources.FileFormatWriter$.run(FileFormatWriter.scala:1)
Caused by: java.lang.OutOfMemoryError: Java heap space
\t... 9 more
"""


def diagnosed(shipped: matrix.Matrix, text: str) -> Diagnosis:
    return shipped.diagnose_text(text, "log")


def test_the_exception_that_others_were_raised_from_decides(shipped: matrix.Matrix) -> None:
    found = diagnosed(shipped, CHAIN)
    assert (found.entry, found.category) == ("schema.column-pandas", "schema")
    assert found.parameters == {"column": "amout"}
    assert found.evidence[0] == Line(source="log", number=6, text="KeyError: 'amout'")
    assert found.location == Location(
        path="/srv/job/load.py", line=7, code='frame["amout"]', cell=None
    )
    assert found.confidence > 0.9


def test_the_last_caused_by_wins_over_its_wrappers(shipped: matrix.Matrix) -> None:
    found = diagnosed(shipped, SPARK)
    assert found.entry == "memory.java-heap"
    assert found.evidence[0].number == 6


def test_a_key_error_outside_of_a_data_frame_is_no_missing_column(shipped: matrix.Matrix) -> None:
    text = (
        'Traceback (most recent call last):\n  File "app.py", line 3, in <module>\n'
        "    mode = settings['mode']\nKeyError: 'mode'\n"
    )
    assert diagnosed(shipped, text).entry == "python.key-error"
    text = text.replace("settings['mode']", "os.environ['MODE']").replace(
        "\nKeyError: 'mode'", "\n  File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'MODE'"
    )
    assert diagnosed(shipped, text).entry == "parameter.environment-variable"


def test_what_was_tried_again_with_success_is_no_failure(shipped: matrix.Matrix) -> None:
    text = (
        "2026-07-01 10:00:00 WARN fetch: Connection refused, retrying in 5 s\n"
        "2026-07-01 10:00:05 INFO fetch: 1204 rows\n"
        "2026-07-01 10:00:06 INFO job finished successfully\n"
    )
    found = diagnosed(shipped, text)
    assert (found.verdict, found.entry, found.confidence) == ("no_failure", None, 0.0)


def test_a_retry_before_another_failure_does_not_explain_it(shipped: matrix.Matrix) -> None:
    text = (
        "2026-07-01 10:00:00 WARN fetch: Connection refused, retrying in 5 s\n"
        "2026-07-01 10:00:05 INFO fetch: 1204 rows\n"
        "Traceback (most recent call last):\n"
        '  File "job.py", line 2, in <module>\n'
        "NameError: name 'totl' is not defined\n"
    )
    assert diagnosed(shipped, text).entry == "python.name-error"


def test_an_optional_module_that_is_missing_is_no_failure(shipped: matrix.Matrix) -> None:
    found = diagnosed(shipped, "optional module cv2 not found, continuing without it")
    assert found.verdict != "diagnosed"


@pytest.mark.parametrize("text", ["", "\n\n", "wrote 12 rows\n[Step 2/2] done\n"])
def test_a_log_without_a_sign_of_failure_shows_none(shipped: matrix.Matrix, text: str) -> None:
    assert diagnosed(shipped, text).verdict == "no_failure"


def test_what_nothing_fits_is_not_determined_and_says_what_to_read(shipped: matrix.Matrix) -> None:
    text = "starting\nzorp error: the gribble is unplumbed\nbye\n"
    found = diagnosed(shipped, text)
    assert (found.verdict, found.entry, found.category) == ("not_determined", None, None)
    assert found.worth_reading[0].text == "zorp error: the gribble is unplumbed"


def test_not_determined_names_near_entries_and_why_they_do_not_fit(shipped: matrix.Matrix) -> None:
    found = diagnosed(shipped, "Error: module cv2 cannot be imported here, odd")
    assert found.verdict == "not_determined"
    assert 1 <= len(found.nearest) <= 3
    assert all(": " in near for near in found.nearest)


def test_a_message_that_is_broken_over_lines_is_recognised(shipped: matrix.Matrix) -> None:
    text = (
        "Error: Cannot perform Merge as multiple source\n"
        "rows matched and attempted to modify the same target row\n"
    )
    found = diagnosed(shipped, text)
    assert found.entry == "quality.merge-duplicates"
    assert [line.number for line in found.evidence] == [1, 2]


def test_lines_of_different_records_are_never_joined(shipped: matrix.Matrix) -> None:
    text = (
        "2026-07-01 10:00:00 ERROR copying multiple source\n"
        "2026-07-01 10:00:01 ERROR rows matched nothing\n"
    )
    assert diagnosed(shipped, text).entry != "quality.merge-duplicates"


def test_colours_html_and_entities_do_not_hide_a_cause(shipped: matrix.Matrix) -> None:
    line = "\x1b[0;31mModuleNotFoundError\x1b[0m: No module named &#x27;cv2&#x27;"
    found = diagnosed(shipped, f"<span class='e'>start</span>\n{line}\n")
    assert found.parameters == {"module": "cv2"}
    assert found.evidence[0].number == 2


def test_a_traceback_inside_a_json_line_is_read(shipped: matrix.Matrix) -> None:
    line = r'{"level":"error","trace":"Traceback:\n  File \"a.py\", line 3\nMemoryError\n"}'
    found = diagnosed(shipped, f"start\n{line}\n")
    assert found.entry == "memory.python"
    assert {e.number for e in found.evidence} == {2}


def test_code_in_a_traceback_is_not_taken_for_the_failure(shipped: matrix.Matrix) -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "job.py", line 2, in <module>\n'
        '    raise ConnectionError("Connection refused") if down else ValueError(bad)\n'
        "ZeroDivisionError: division by zero\n"
    )
    assert diagnosed(shipped, text).entry == "python.zero-division"


def test_two_causes_that_fit_as_well_lower_the_confidence(shipped: matrix.Matrix) -> None:
    sure = diagnosed(shipped, "ORA-00001: unique constraint (A.B) violated").confidence
    tie = "ORA-00001: unique constraint (A.B) violated\nORA-01031: insufficient privileges"
    assert diagnosed(shipped, tie).confidence < sure


def test_an_entry_for_another_platform_is_left_out(shipped: matrix.Matrix) -> None:
    text = "WORKFLOW_EXECUTION_0055: Cluster etl is not in Active state in workspace sales"
    assert shipped.diagnose_text(text, "log", "aidp").category == "cluster_infra"


def test_secrets_are_masked_in_evidence_and_parameters(shipped: matrix.Matrix) -> None:
    token = "dapi" + "0123456789abcdef" * 2
    found = diagnosed(shipped, f"Error: Invalid access token. Authorization: Bearer {token}")
    assert found.entry == "auth.databricks-token-invalid"
    assert token not in found.dump()


def test_the_explanation_names_what_was_considered(shipped: matrix.Matrix) -> None:
    explained = shipped.explain(CHAIN)
    assert explained.considered[0].entry == "schema.column-pandas"
    assert explained.considered[0].line == 6
    said = "\n".join(explained.lines())
    assert "schema.column-pandas" in said
    assert "python.key-error" not in said.splitlines()[0]


def test_the_document_is_the_published_object(shipped: matrix.Matrix) -> None:
    shown = matrix.document(diagnosed(shipped, "x\nModuleNotFoundError: No module named 'cv2'"))
    assert list(shown)[:10] == [
        "schema_version",
        "verdict",
        "entry",
        "category",
        "cause",
        "remedy",
        "transient",
        "confidence",
        "parameters",
        "evidence",
    ]
    assert shown["schema_version"] == 1
    assert shown["evidence"] == [
        {"line": 2, "text": "ModuleNotFoundError: No module named 'cv2'", "source": "log"}
    ]
    assert {"identity", "location", "nearest", "worth_reading", "fixer", "task"} <= set(shown)


def failure(code: str, *log: str, message: str = "", exit_code: int | None = None) -> Failure:
    lines = tuple(Line(source="t stderr", number=n, text=x) for n, x in enumerate(log, 1))
    return Failure(
        phase="run", code=code, message=message, task="t", log=lines, exit_code=exit_code
    )


@pytest.mark.parametrize(
    ("code", "entry", "category"),
    [
        ("TIMEDOUT", "timeout.task", "timeout"),
        ("LOST", "cluster.lost", "cluster_infra"),
        ("VERIFY_FAILED", "quality.verify-failed", "data_quality"),
        ("JOB_INVALID", "job.invalid", "bundle_deploy"),
        ("ENVIRONMENT_FAILED", "dependency.library-installation", "dependency"),
    ],
)
def test_the_platforms_own_word_is_evidence(
    shipped: matrix.Matrix, code: str, entry: str, category: str
) -> None:
    found = shipped.diagnose(failure(code, message="it ended so"))
    assert (found.entry, found.category, found.task) == (entry, category, "t")
    assert found.evidence == (Line(source=code, number=0, text="it ended so"),)


@pytest.mark.parametrize("exit_code", [137, -9])
def test_a_killed_process_is_a_matter_of_memory(shipped: matrix.Matrix, exit_code: int) -> None:
    found = shipped.diagnose(failure("FAILED", "reading", message="killed", exit_code=exit_code))
    assert found.category == "capacity_memory"


def test_a_time_limit_wins_over_what_the_log_was_busy_with(shipped: matrix.Matrix) -> None:
    log = "2026-07-01 10:00:00 ERROR Connection refused"
    assert shipped.diagnose(failure("TIMEDOUT", log, message="600 s")).category == "timeout"


def test_a_check_that_failed_is_explained_by_the_error_of_its_items(shipped: matrix.Matrix) -> None:
    text = 'eu: _duckdb.BinderException: Binder Error: Referenced column "amout" not found in FROM'
    found = shipped.diagnose(failure("VERIFY_FAILED", text, message="1 of 3 items failed"))
    assert (found.entry, found.fixer) == ("schema.column-duckdb", "rename_column")


def test_the_lines_cited_are_lines_of_the_failure(shipped: matrix.Matrix) -> None:
    made = failure("FAILED", *CHAIN.splitlines(), message="RuntimeError: load failed", exit_code=1)
    found = shipped.diagnose(made)
    assert found.entry == "schema.column-pandas"
    assert set(found.evidence) <= set(made.log)


def test_the_message_is_read_where_the_log_is_empty(shipped: matrix.Matrix) -> None:
    found = shipped.diagnose(failure("FAILED", message="NameError: name 'totl' is not defined"))
    assert found.entry == "python.name-error"
    assert found.evidence[0].number == 0


def test_the_place_that_the_platform_names_wins(shipped: matrix.Matrix) -> None:
    place = Location(path="load.ipynb", cell=2, line=1)
    made = failure("FAILED", *CHAIN.splitlines()).model_copy(update={"location": place})
    assert shipped.diagnose(made).location == place


def test_a_failed_run_is_never_said_to_show_no_failure(shipped: matrix.Matrix) -> None:
    found = shipped.diagnose(failure("FAILED", "job finished successfully", message="exit code 3"))
    assert found.verdict == "not_determined"

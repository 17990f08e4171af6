"""The file of monitors and alerts: what is wrong with it, with its line."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring_stage import alert, metric, monitor

from agent.platforms.databricks import monitoring_file
from agent.platforms.databricks.monitoring_file import Declared
from agent.playbook import load

_PLAYBOOK = Path(__file__).parents[3] / "playbooks/databricks/monitors-and-alerts/playbook.yaml"


def read(
    folder: Path, declared: Any, warehouse: str | None = "w", **parameters: Any
) -> Declared | list[str]:
    text = declared if isinstance(declared, str) else yaml.safe_dump(declared, sort_keys=False)
    (folder / "m.yaml").write_text(text)
    found = monitoring_file.read(folder, "m.yaml", parameters, warehouse)
    return found if isinstance(found, Declared) else [f"{p.line}: {p.message}" for p in found]


def test_the_shipped_playbook_and_its_file_are_right() -> None:
    book = load(_PLAYBOOK).playbook
    parameters = book.job.parameters
    found = monitoring_file.read(
        _PLAYBOOK.parent, str(book.job.file), parameters, book.databricks.warehouse
    )
    assert isinstance(found, Declared)
    assert found.tasks == ("monitors", "alerts")
    assert found.items[0].name == "dev.gold.sales"
    assert "from dev.gold.sales" in found.items[1].wanted["query_text"]
    assert found.items[1].wanted["warehouse_id"] == "Shared Warehouse"
    text = (_PLAYBOOK.parent / str(book.job.file)).read_text()
    assert monitoring_file.is_monitoring(text)


def test_a_job_with_tasks_is_no_monitoring() -> None:
    assert not monitoring_file.is_monitoring("name: etl\ntasks: []\n")
    assert not monitoring_file.is_monitoring("alerts: []\ntasks: []\n")
    assert not monitoring_file.is_monitoring(": : :")


def test_items_keep_their_lines_and_what_we_do_is_not_sent(tmp_path: Path) -> None:
    declared = {"monitors": [monitor(refresh=True)], "alerts": [alert("A"), alert("B")]}
    found = read(tmp_path, declared)
    assert isinstance(found, Declared)
    lines = (tmp_path / "m.yaml").read_text().splitlines()
    assert [lines[i.line - 1].strip() for i in found.items] == [
        "- table_name: main.gold.sales",
        "- display_name: A",
        "- display_name: B",
    ]
    assert "refresh" not in found.items[0].wanted
    assert found.items[0].refresh
    assert found.lines == {"monitors": 1, "alerts": found.items[1].line - 1}


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"alerts": [alert("A", condition={})]}, 'unknown key "condition"'),
        ({"alerts": [alert("A", displayname="x")]}, 'did you mean "display_name"?'),
        ({"alerts": [alert("A", id="1")]}, "id is filled in by the service: leave it out"),
        (
            {
                "alerts": [
                    alert("A", schedule={"quartz_cron_expression": "0", "timezone_id": "UTC"})
                ]
            },
            'did you mean "quartz_cron_schedule"?',
        ),
        (
            {
                "alerts": [
                    alert("A", evaluation={"source": {"name": "t"}, "comparison_operator": "<"})
                ]
            },
            "expected one of EQUAL, GREATER_THAN",
        ),
        ({"alerts": [{"display_name": "A"}]}, "evaluation, query_text, schedule are missing"),
        ({"alerts": [alert("A"), alert("A")]}, "declared twice"),
        ({"alerts": {"A": 1}}, "alerts: expected a list"),
        ({"alerts": [], "name": "x"}, "nothing is declared"),
        ({"alerts": [alert("A")], "monitor": []}, 'did you mean "monitors"?'),
        ({"monitors": [monitor(time_series={"timestamp_col": "t"})]}, "granularities is missing"),
        ({"monitors": [monitor(inference_log=None)]}, "exactly one of"),
        ({"monitors": [monitor(custom_metrics=[{**metric("m"), "typ": 1}])]}, 'unknown key "typ"'),
        ({"monitors": [monitor(status="x")]}, "status is filled in by the service"),
        ({"monitors": [monitor(table_name="sales")]}, "expected catalog.schema.table"),
        ({"monitors": [monitor(slicing_exprs="region")]}, "expected a list"),
        ({"monitors": ["main.gold.sales"]}, "expected keys and values"),
        ({"genie_spaces": [{"description": "x"}]}, "is named by its title or its space_id"),
        ({"alerts": [alert("{{job.parameters.nme}}")]}, "job.parameters.nme is not given"),
        ("alerts: [", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, declared: Any, says: str) -> None:
    found = read(tmp_path, declared, name="x")
    assert isinstance(found, list)
    assert any(says in problem for problem in found), found
    assert all(int(problem.partition(":")[0]) >= 1 for problem in found)


def test_an_alert_needs_a_warehouse_from_somewhere(tmp_path: Path) -> None:
    found = read(tmp_path, {"alerts": [alert("A")]}, warehouse=None)
    assert isinstance(found, list)
    assert "databricks.warehouse" in found[0]
    given = read(tmp_path, {"alerts": [alert("A", warehouse_id="w1")]}, warehouse=None)
    assert isinstance(given, Declared)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    (problem,) = monitoring_file.read(tmp_path, "none.yaml", {}, None)
    assert "none.yaml does not exist" in str(problem)

"""What a playbook requires: one check each, in order, with what is there instead."""

from typing import Any

import pytest
from dbx_workspace import Workspace, notebook

from agent.errors import Unavailable
from agent.platforms.databricks import compute, requirements
from agent.playbook import Databricks, Requirement
from agent.records import Check
from agent.simulators.databricks import Simulator, computing, resources, statements
from agent.simulators.databricks.outcomes import Outcome
from agent.simulators.databricks.service import Options

_CATALOG = "/api/2.1/unity-catalog"


def looked(workspace: Workspace, *wanted: dict[str, Any], **book: Any) -> tuple[Check, ...]:
    asked = [Requirement.model_validate(w) for w in wanted]
    session = workspace.session(databricks=Databricks(warehouse="rehearsal"), **book)
    return requirements.required(session, asked)


@pytest.fixture
def gold(workspace: Workspace, sim: Simulator) -> Workspace:
    """A workspace with one of each."""
    for text in (
        "CREATE SCHEMA main.gold",
        "CREATE TABLE main.gold.sales AS SELECT * FROM range(30) t(id)",
        "CREATE FUNCTION main.gold.top_sales(n INT) RETURNS INT RETURN n + 1",
    ):
        answer = statements.execute(sim, text)
        assert not hasattr(answer, "state"), answer
    api = workspace.session().api
    volume = {
        "catalog_name": "main",
        "schema_name": "gold",
        "name": "raw",
        "volume_type": "MANAGED",
    }
    api.post(f"{_CATALOG}/volumes", volume)
    model = {"catalog_name": "main", "schema_name": "gold", "name": "churn"}
    api.post(f"{_CATALOG}/models", model)
    api.post("/api/2.0/serving-endpoints", {"name": "churn", "config": {}})
    api.post("/api/2.0/secrets/scopes/create", {"scope": "etl"})
    return workspace


def test_what_is_there_holds_in_the_order_asked(gold: Workspace) -> None:
    wanted: list[dict[str, Any]] = [
        {"schema": "main.gold"},
        {"secret_scope": "etl"},
        {"table": "main.gold.sales", "rows": ">= 30"},
        {"table": "main.gold.sales"},
        {"function": "main.gold.top_sales"},
        {"volume": "main.gold.raw"},
        {"model": "main.gold.churn"},
        {"endpoint": "churn"},
        {"warehouse": "rehearsal"},
    ]
    found = looked(gold, *wanted)
    assert [(c.outcome, c.saw) for c in found if c.outcome != "held"] == []
    assert [c.name.split()[0] for c in found] == [
        "schema", "secret", "table", "table", "function", "volume", "model", "endpoint", "warehouse"
    ]  # fmt: skip
    assert found[2].measures["rows"] == 30


@pytest.mark.parametrize(
    ("wanted", "saw"),
    [
        ({"schema": "main.golf"}, "main has gold"),
        ({"table": "main.gold.salez"}, "the nearest sales"),
        ({"table": "main.gold.sales", "rows": ">= 31"}, "30 rows; expected >= 31"),
        ({"table": "main.nothing.sales"}, "does not exist"),
        ({"function": "main.gold.top_sale"}, "the nearest top_sales"),
        ({"metric_view": "main.gold.sales"}, "it is MANAGED, no METRIC_VIEW"),
        ({"metric_view": "main.gold.measures"}, "it does not exist"),
        ({"volume": "main.gold.row"}, "the nearest raw"),
        ({"model": "main.gold.churns"}, "the nearest churn"),
        ({"endpoint": "churns"}, "there is churn"),
        ({"vector_index": "main.gold.docs"}, "it does not exist"),
        ({"secret_scope": "etc"}, "there is etl"),
        ({"warehouse": "nightly"}, "there is rehearsal"),
        ({"cluster": "0101-000000-abcdefgh"}, "no cluster"),
        ({"job": "bronze"}, "no job has the name bronze"),
    ],
)
def test_what_is_missing_says_what_is_there(
    gold: Workspace, wanted: dict[str, Any], saw: str
) -> None:
    (check,) = looked(gold, wanted)
    assert (check.outcome, saw in check.saw) == ("failed", True), check.saw
    assert check.evidence


def test_an_endpoint_that_is_not_ready_fails(gold: Workspace, sim: Simulator) -> None:
    resources.set_ready(sim, resources.SERVING, "churn", ready=False)
    (check,) = looked(gold, {"endpoint": "churn"})
    assert check.outcome == "failed"
    assert "NOT_READY" in check.saw


def test_a_job_counts_by_its_last_run(workspace: Workspace) -> None:
    made = workspace.job(notebook("load"), name="bronze")
    (none,) = looked(workspace, {"job": "bronze"})
    assert "no run that has ended" in none.saw
    api = workspace.session().api
    seen = []
    for outcome in (Outcome(), Outcome(result="FAILED", error="no")):
        workspace.declare("load", outcome)
        api.post("/api/2.2/jobs/run-now", {"job_id": int(made.job)})
        workspace.pass_time(3600)
        workspace.session().api.get("/api/2.2/jobs/list")
        seen += [(c.outcome, c.saw) for c in looked(workspace, {"job": int(made.job)})]
    assert [outcome for outcome, _ in seen] == ["held", "failed"]
    assert "SUCCESS" in seen[0][1]
    assert "FAILED" in seen[1][1]


def test_what_would_make_a_missing_thing_is_named(workspace: Workspace) -> None:
    wanted: list[dict[str, Any]] = [
        {"playbook": "bronze.yaml"},
        {"table": "main.gold.sales"},
        {"job": "merge"},
        {"table": "main.gold.merged"},
    ]
    book = {"requires": tuple(Requirement.model_validate(w) for w in wanted)}
    first, _, second = looked(workspace, *wanted[1:], **book)
    assert f"runmend heal {workspace.folder / 'bronze.yaml'}" in first.saw
    assert "job merge comes before it" in second.saw


def test_a_stopped_cluster_is_started_and_stopped_again(
    workspace: Workspace, sim: Simulator
) -> None:
    cluster = computing.launch(sim, {"cluster_name": "etl", "spark_version": "x"}, sim.user)
    computing.terminate(sim, cluster)
    sim.options = Options(realistic=True)
    with pytest.raises(Unavailable, match="is being started"):
        looked(workspace, {"cluster": cluster})
    with pytest.raises(Unavailable, match="PENDING"):
        looked(workspace, {"cluster": cluster})
    workspace.pass_time(900)
    (check,) = looked(workspace, {"cluster": cluster})
    assert (check.outcome, check.saw) == ("held", f"cluster etl ({cluster}) is RUNNING")
    (said,) = compute.close(workspace.session())
    assert said.startswith(f"stopped cluster etl ({cluster}), which we had started; it ran")


def test_a_cluster_that_does_not_come_up_is_no_endless_wait(
    workspace: Workspace, sim: Simulator
) -> None:
    cluster = computing.launch(sim, {"cluster_name": "etl", "spark_version": "x"}, sim.user)
    computing.terminate(sim, cluster)
    sim.options = Options(realistic=True)
    with pytest.raises(Unavailable):
        looked(workspace, {"cluster": cluster})
    reason = "CLOUD_PROVIDER_RESOURCE_STOCKOUT"
    computing.terminate(sim, cluster, reason, "CLOUD_FAILURE", {"zone": "b"})
    workspace.pass_time(900)
    (check,) = looked(workspace, {"cluster": cluster})
    assert check.outcome == "failed"
    assert f"did not start: {reason} (CLOUD_FAILURE) zone: b" in check.saw


def test_a_running_cluster_is_left_alone_at_the_end(workspace: Workspace, sim: Simulator) -> None:
    cluster = computing.launch(sim, {"cluster_name": "etl", "spark_version": "x"}, sim.user)
    assert looked(workspace, {"cluster": cluster})[0].outcome == "held"
    assert compute.close(workspace.session()) == ()

"""Whole cases about a pipeline, on the workspace's own clock."""

from pathlib import Path
from typing import Any

import pytest
from dbx_cases import Shop
from dbx_workspace import Workspace
from pipeline_stage import BAD, GOOD, SOURCE, Stage

from agent.records import Risk
from agent.simulators.databricks import Simulator
from agent.simulators.databricks.pipelines import Outcome

ROOT = "/Workspace/Shared/shop"


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    return Stage(workspace)


def shop(sim: Simulator, folder: Path, stage: Stage, **job: Any) -> Shop:
    made = Shop(sim, folder / "shop")
    made.write(SOURCE)
    wanted = {"pipeline": stage.id, **job}
    made.book(job=wanted, databricks={"root": ROOT}, production=False)
    return made


def test_a_pipeline_is_healed_however_long_its_validation_takes(
    sim: Simulator, tmp_path: Path, stage: Stage
) -> None:
    slow = Outcome(seconds=1500)
    stage.declare(slow, BAD, slow, GOOD)
    made = shop(sim, tmp_path, stage)
    result = made.heal()
    assert (result.case.state, result.pause) == ("done", None), result
    assert result.case.state == "done"
    (edit,) = result.case.edits
    assert edit.path == "silver.sql"
    assert "amount" in str(edit.new)
    assert [b.get("validate_only", False) for b in stage.started()] == [True, False, True, False]
    assert stage.started()[-1]["refresh_selection"] == ["main.shop.clean", "main.shop.daily"]
    assert any("being validated" in why for why in made.told.waits)


def test_a_failed_update_is_healed_from_where_it_is(
    sim: Simulator, tmp_path: Path, stage: Stage
) -> None:
    stage.declare(BAD, Outcome(seconds=20), GOOD)
    made = shop(sim, tmp_path, stage)
    first = stage.workspace.session(1)
    from agent.platforms.databricks import files, layout

    there = layout.of(stage.tree(), ROOT)
    files.Files(first).bring(stage.workspace.folder / "source", there, sorted(SOURCE))
    update = stage.theirs()
    stage.workspace.pass_time(600)
    result = made.heal(f"{stage.id}/{update}")
    assert result.case.state == "done", result
    assert [b.get("validate_only", False) for b in stage.started()] == [True, False]


def test_a_full_refresh_waits_for_a_person_before_anything_starts(
    sim: Simulator, tmp_path: Path, stage: Stage
) -> None:
    stage.declare(Outcome(seconds=20), GOOD)
    made = shop(sim, tmp_path, stage, full_refresh=True)
    result = made.heal()
    assert result.pause is not None
    assert result.pause.verdict == "waiting"
    assert result.case.proposal is not None
    assert result.case.proposal.patch.risk is Risk.DESTRUCTIVE
    assert stage.started() == []
    result = made.approve(result.case)
    assert result.case.state == "done", result
    assert stage.started() == [{"validate_only": True}, {"full_refresh": True}]

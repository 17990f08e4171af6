"""A bundle through a command that really deploys: the stand-in, on a simulated workspace."""

from pathlib import Path

import pytest
from deploy_stage import JOB, NOTEBOOK, Stage, put, reset

from agent.errors import PersonNeeded
from agent.records import Deployment
from agent.simulators.databricks import Simulator

pytestmark = pytest.mark.slow  # a dozen processes each; test_deploy_bundle.py has the quick ones
KEY = {"bundle": "etl"}
FILES = "/Workspace/Users/rehearsal@example.com/.bundle/shop/dev/files"


@pytest.fixture
def stage(tmp_path: Path, sim: Simulator) -> Stage:
    made = Stage(tmp_path, sim)
    made.bundle()
    return made


def test_a_wrong_bundle_then_a_right_one_then_a_patched_one(stage: Stage) -> None:
    target = stage.deploying(KEY, target="dev")
    stage.write({"resources/etl.yml": JOB.replace("notebook_task", "python_task", 1)})
    wrong = target.deploy("k1", stage.tree(), None)
    assert isinstance(wrong, tuple)
    assert any("unknown field: python_task" in f.message for f in wrong)
    assert wrong[0].location is not None
    assert wrong[0].location.path == "resources/etl.yml"
    assert "jobs/create" not in " ".join(stage.changes())

    stage.write({"resources/etl.yml": JOB})
    tree = stage.tree()
    assert target.plan(tree, None) == ()
    made = target.deploy("k2", tree, None)
    assert isinstance(made, Deployment), made
    assert made.tasks == ("load", "report")
    assert made.url is not None
    assert f"{FILES}/src/load" in made.files
    assert [t.path for t in target.tasks(tree)] == ["src/load.py", "src/report.py"]

    stage.write({"src/load.py": NOTEBOOK.format("patched")})
    put(stage.sim, f"{FILES}/src/tools.py", "RATE = 9\n")
    patched = stage.tree()
    assert target.affected(tree, patched) == ("load",)
    (effect,) = target.plan(patched, made)
    assert (effect.kind, effect.path) == ("remote_overwrite", "src/tools.py")
    again = target.deploy("k3", patched, made)
    assert isinstance(again, Deployment), again
    assert again.job == made.job
    assert stage.text(f"{FILES}/src/load") == NOTEBOOK.format("patched")
    assert target.plan(patched, again) == ()


@pytest.mark.parametrize("release", ["0.278", "1.12", "1.13"])
def test_every_release_deploys_and_refuses_to_destroy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    monkeypatch.setenv("RUNMEND_STANDIN_SPEAKS", release)
    target = stage.deploying(KEY, target="dev")
    made = target.deploy("k1", stage.tree(), None)
    assert isinstance(made, Deployment), made
    reset(stage.sim, int(made.job), timeout_seconds=77)
    stage.write({"resources/etl.yml": JOB.replace("name: etl", "name: etl 2", 1)})
    renamed = stage.tree()
    effects = target.plan(renamed, made)
    assert [e.kind for e in effects] == ["remote_overwrite"]
    assert "timeout_seconds" in effects[0].detail
    stage.write({"resources/etl.yml": JOB.replace("    etl:", "    other:", 1)})
    gone = stage.deploying({"bundle": "other"}, target="dev")
    tree = stage.tree()
    kinds = [e.kind for e in gone.plan(tree, made)]
    assert "resource_delete" in kinds
    with pytest.raises(PersonNeeded, match="bundle deploy -t dev"):
        gone.deploy("k2", tree, made)
    assert stage.get("/api/2.2/jobs/get", job_id=made.job)["job_id"] == int(made.job)


def test_the_former_tree_puts_a_bundle_back(stage: Stage) -> None:
    target = stage.deploying(KEY, target="dev")
    former = stage.tree()
    made = target.deploy("k1", former, None)
    assert isinstance(made, Deployment), made
    stage.write(
        {
            "src/load.py": NOTEBOOK.format("patched"),
            "resources/etl.yml": JOB.replace("name: etl", "name: etl 2", 1),
        }
    )
    patched = target.deploy("k2", stage.tree(), made)
    assert isinstance(patched, Deployment), patched
    assert patched.settings != made.settings
    assert target.plan(former, patched) == ()
    restored = target.deploy("k3", former, patched)
    assert isinstance(restored, Deployment), restored
    assert (restored.job, restored.settings, restored.files) == (
        made.job,
        made.settings,
        made.files,
    )


def test_what_is_there_is_adopted_as_the_source_has_it(stage: Stage) -> None:
    target = stage.deploying(KEY, target="dev")
    made = target.deploy("k1", stage.tree(), None)
    assert isinstance(made, Deployment), made
    found = target.found(stage.tree())
    assert (found.job, found.settings, found.files) == (made.job, made.settings, made.files)
    stage.write({"src/load.py": NOTEBOOK.format("newer than what is deployed")})
    older = target.found(stage.tree())
    stage.write({"src/load.py": NOTEBOOK.format("patched")})
    (effect,) = target.plan(stage.tree(), older)
    assert effect.path == "src/load.py"


def test_production_says_what_it_would_do(stage: Stage) -> None:
    target = stage.deploying(KEY, target="prod")
    effects = target.plan(stage.tree(), None)
    assert [e.detail for e in effects] == [
        "creates jobs.etl on production target prod",
        "brings changed files to production target prod",
    ]
    made = target.deploy("k1", stage.tree(), None)
    assert isinstance(made, Deployment), made
    assert target.plan(stage.tree(), made) == ()

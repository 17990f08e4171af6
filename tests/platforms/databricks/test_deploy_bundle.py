"""A bundle's deploy and what somebody else changed; the command says what is written here."""

import json
from pathlib import Path
from typing import Any

import pytest
from deploy_stage import JOB, NOTEBOOK, ROOT, Stage, calls, job_id, put, reset, resolved, script

from agent.errors import PersonNeeded, Unauthorized, Unavailable, UsageError
from agent.platforms.databricks.deploying import Deploying
from agent.records import Deployment, Effect, Failure, Risk
from agent.simulators.databricks import Simulator

STRICT = "Error: 1 warning was found. Warnings are not allowed in strict mode\n"
PYTHON_TASK = """\
Warning: unknown field: python_task
  at resources.jobs.etl.tasks[0]
  in resources/etl.yml:7:11

Found 1 warning
"""
LOCKED = (
    "Error: deploy lock acquired by ana@example.com at 2026-09-01 10:00:00.5 +0000 UTC. "
    "Another deployment may be in progress. Use --force-lock to override\n"
)
NEEDS_APPROVAL = (
    "Error: the deployment requires destructive actions, but the current console does not support "
    "prompting.\nDeleting data assets such as schemas, pipelines, or volumes may cause permanent "
    "data loss and should be carefully reviewed.\nTo proceed, use --auto-approve after reviewing "
    "the plan above.\n"
)


def plan(**actions: str) -> tuple[int, str, str]:
    entries = {f"resources.{name.replace('__', '.')}": {"action": a} for name, a in actions.items()}
    return 0, json.dumps({"plan_version": 2, "cli_version": "1.13.0", "plan": entries}), ""


class Bundle:
    """A bundle whose command's answers are given; its job is in the simulated workspace."""

    def __init__(self, stage: Stage) -> None:
        stage.bundle()
        self.stage = stage
        self.job = job_id(stage.sim, json.loads(resolved())["resources"]["jobs"]["etl"])
        self.folder = stage.folder / "bin"
        self.answer(
            version=(0, "Databricks CLI v1.13.0\n", ""),
            validate=(0, resolved(), ""),
            plan=plan(jobs__etl="skip"),
            deploy=(0, "", "Deployment complete!\n"),
            summary=(0, resolved(self.job), ""),
        )

    def answer(self, **answers: tuple[int, str, str]) -> None:
        self.command = script(self.folder, answers)

    def target(self, **more: Any) -> Deploying:
        more.setdefault("target", "dev")
        return self.stage.deploying({"bundle": "etl"}, self.command, **more)

    def upload(self) -> None:
        """Bring the files as a deploy does."""
        for path in ("src/load.py", "src/report.py", "src/tools.py"):
            put(self.stage.sim, f"{ROOT}/{path}", (self.stage.source / path).read_text())

    def deployed(self, key: str = "k1", previous: Deployment | None = None) -> Deployment:
        self.upload()
        made = self.target().deploy(key, self.stage.tree(), previous)
        assert isinstance(made, Deployment), made
        return made

    def failures(self) -> tuple[Failure, ...]:
        made = self.target().deploy("k1", self.stage.tree(), None)
        assert isinstance(made, tuple), made
        return made


@pytest.fixture
def bundle(tmp_path: Path, sim: Simulator) -> Bundle:
    return Bundle(Stage(tmp_path, sim))


def test_a_deploy_validates_strictly_plans_and_names_what_was_made(bundle: Bundle) -> None:
    made = bundle.deployed()
    assert (made.job, made.tasks, made.kept) == (str(bundle.job), ("load", "report"), True)
    assert set(made.files) == {f"{ROOT}/src/{n}" for n in ("load", "report", "tools.py")}
    assert calls(bundle.folder) == [
        "--version",
        "bundle validate --strict -o json -t dev",
        "bundle plan -o json -t dev",
        "bundle deploy -t dev",
        "bundle summary -o json -t dev",
    ]
    bundle.answer(deploy=(1, "", "Error: not again\n"))
    assert bundle.target().deploy("k1", bundle.stage.tree(), None) == made


def test_the_command_runs_in_the_private_tree_without_the_models_key(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-for-bundles")
    tree = bundle.stage.tree()
    bundle.target().plan(tree, None)
    assert (bundle.folder / "cwd").read_text().strip() == tree.root
    names = (bundle.folder / "env").read_text().split()
    assert {"PATH", "HOME", "DATABRICKS_HOST", "DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION"} <= {
        *names
    }
    assert "ANTHROPIC_API_KEY" not in names
    bundle.target(databricks={"trust_code": True}).plan(bundle.stage.tree(), None)
    assert "DATABRICKS_BUNDLE_RESTRICTED" not in (bundle.folder / "env").read_text()


def test_variables_go_with_every_call(bundle: Bundle) -> None:
    bundle.target(databricks={"variables": {"catalog": "a b"}}).plan(bundle.stage.tree(), None)
    assert calls(bundle.folder)[-1] == "bundle plan -o json -t dev --var catalog=a b"


def test_an_unknown_field_is_a_failure_with_file_line_and_task(bundle: Bundle) -> None:
    bundle.answer(validate=(1, "", PYTHON_TASK + STRICT))
    (failure,) = bundle.failures()
    assert failure.code == "BUNDLE_INVALID"
    assert failure.phase == "create"
    assert failure.message == "resources/etl.yml:7: unknown field: python_task"
    assert failure.location is not None
    assert (failure.location.path, failure.location.line) == ("resources/etl.yml", 7)
    assert failure.task == "load"
    assert failure.facts.job_file == "resources/etl.yml"
    assert [line.text for line in failure.log][:1] == ["Warning: unknown field: python_task"]
    assert not failure.started
    assert bundle.target().plan(bundle.stage.tree(), None) == ()


def test_a_command_without_strict_is_asked_again_and_its_warnings_count(bundle: Bundle) -> None:
    bundle.answer(validate=(1, "", "Error: unknown flag: --strict\n"))
    assert bundle.failures()[0].message == "unknown flag: --strict"
    assert calls(bundle.folder)[-1] == "bundle validate -o json -t dev"


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("cannot create resources.jobs.etl: bad (400 INVALID_PARAMETER_VALUE)", 3),
        ("nothing that names a place", None),
    ],
)
def test_a_deploy_error_gets_the_place_that_declares_the_resource(
    bundle: Bundle, said: str, place: int | None
) -> None:
    bundle.answer(
        plan=plan(jobs__etl="create"), deploy=(1, "", f"Uploading...\nError: {said}\n\nmore\n")
    )
    (failure,) = bundle.failures()
    assert failure.code == "DEPLOY_FAILED"
    assert (failure.location.line if failure.location else None) == place
    assert [line.text for line in failure.log] == [f"Error: {said}", "", "more"]


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("delete", "resource_delete"),
        ("recreate", "resource_recreate"),
        ("melt", "resource_unknown"),
    ],
)
def test_what_deletes_or_makes_anew_is_left_to_a_person(
    bundle: Bundle, action: str, kind: str
) -> None:
    bundle.answer(plan=plan(jobs__etl="update", pipelines__silver=action))
    tree = bundle.stage.tree()
    (effect,) = bundle.target().plan(tree, None)
    assert (effect.kind, effect.risk) == (kind, Risk.DESTRUCTIVE)
    assert "pipelines.silver" in effect.detail
    with pytest.raises(PersonNeeded) as caught:
        bundle.target().deploy("k1", tree, None)
    command = f"cd {bundle.stage.source} && {bundle.command[0]} bundle deploy -t dev"
    assert command in str(caught.value)
    assert "pipelines.silver" in str(caught.value)
    assert not any(" deploy" in call for call in calls(bundle.folder))
    bundle.answer(plan=plan(jobs__etl="skip"))
    assert isinstance(bundle.target().deploy("k1", tree, None), Deployment)


def test_a_person_deploys_a_patched_tree_from_its_private_copy(bundle: Bundle) -> None:
    bundle.answer(plan=plan(pipelines__silver="recreate"))
    tree = bundle.stage.tree()
    Path(tree.root, "src/load.py").write_text(NOTEBOOK.format("patched"))
    with pytest.raises(PersonNeeded) as caught:
        bundle.target().deploy("k1", tree, None)
    assert f"cd {tree.root} && " in str(caught.value)


@pytest.mark.parametrize("said", ["", "Plan: 1 to add", '{"steps": [1]}', "delete everything\n"])
def test_a_plan_that_cannot_be_understood_is_never_harmless(bundle: Bundle, said: str) -> None:
    bundle.answer(plan=(0, said, ""))
    tree = bundle.stage.tree()
    (effect,) = bundle.target().plan(tree, None)
    assert effect.risk == Risk.DESTRUCTIVE
    with pytest.raises(PersonNeeded):
        bundle.target().deploy("k1", tree, None)
    assert not any(" deploy" in call for call in calls(bundle.folder))


def test_a_command_that_wants_approval_is_left_to_a_person(bundle: Bundle) -> None:
    bundle.answer(deploy=(1, "", NEEDS_APPROVAL))
    with pytest.raises(PersonNeeded):
        bundle.target().deploy("k1", bundle.stage.tree(), None)
    assert not any("--auto-approve" in call for call in calls(bundle.folder))


@pytest.mark.parametrize(
    ("said", "error", "word"),
    [
        (LOCKED, Unavailable, "ana@example.com"),
        ("Error: job 12 is running\n", Unavailable, "job 12"),
        ('Error: Get "https://x": dial tcp: lookup x: no such host\n', Unavailable, "dial tcp"),
        (
            "Error: Invalid access token. (403 PERMISSION_DENIED)\n",
            Unauthorized,
            "DATABRICKS_TOKEN",
        ),
        (
            "Error: cannot create resources.jobs.etl: no (403 PERMISSION_DENIED)\n",
            Unauthorized,
            "no",
        ),
        (
            "Error: Running Python code is not allowed when "
            "DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION is set\n",
            UsageError,
            "trust_code",
        ),
    ],
)
def test_what_is_about_the_moment_or_about_us_is_no_failure(
    bundle: Bundle, said: str, error: type[Exception], word: str
) -> None:
    bundle.answer(deploy=(1, "", said))
    with pytest.raises(error, match=word):
        bundle.target().deploy("k1", bundle.stage.tree(), None)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ((0, "Databricks CLI v0.277.0\n", ""), "0.278.0 or newer"),
        ((0, "Version 0.18.0\n", ""), "0.278.0 or newer"),
        ((1, "", "no such thing\n"), "says no version"),
    ],
)
def test_an_old_or_foreign_command_is_refused(
    bundle: Bundle, said: tuple[int, str, str], word: str
) -> None:
    bundle.answer(version=said)
    with pytest.raises(UsageError, match=word):
        bundle.target().deploy("k1", bundle.stage.tree(), None)


def test_a_missing_command_is_said_with_the_ways_out(bundle: Bundle) -> None:
    target = bundle.stage.deploying({"bundle": "etl"}, ("no-such-databricks",))
    with pytest.raises(UsageError, match=r"no-such-databricks.*job\.file"):
        target.deploy("k1", bundle.stage.tree(), None)


def test_forbidden_flags_cannot_come_in_by_the_command(bundle: Bundle) -> None:
    target = bundle.stage.deploying({"bundle": "etl"}, (*bundle.command, "--auto-approve"))
    with pytest.raises(UsageError, match="only a person"):
        target.plan(bundle.stage.tree(), None)
    assert calls(bundle.folder) == []


def test_a_target_on_another_workspace_is_refused(bundle: Bundle) -> None:
    config = json.loads(resolved())
    config["workspace"]["host"] = "https://elsewhere.example.com"
    bundle.answer(validate=(0, json.dumps(config), ""))
    with pytest.raises(UsageError, match="elsewhere"):
        bundle.target().plan(bundle.stage.tree(), None)


def test_a_key_that_the_bundle_lacks_is_said_with_those_it_has(bundle: Bundle) -> None:
    target = bundle.stage.deploying({"bundle": "elt"}, bundle.command)
    with pytest.raises(UsageError, match=r"'elt'.*etl"):
        target.deploy("k1", bundle.stage.tree(), None)


def overwrites(effects: tuple[Effect, ...]) -> list[str]:
    assert {e.kind for e in effects} <= {"remote_overwrite"}
    assert all(e.risk == Risk.ASK for e in effects)
    return [e.detail for e in effects]


def test_a_file_that_somebody_changed_asks_and_again_when_it_changes_more(bundle: Bundle) -> None:
    made = bundle.deployed()
    tree = bundle.stage.tree()
    assert bundle.target().plan(tree, made) == ()
    put(bundle.stage.sim, f"{ROOT}/src/load.py", NOTEBOOK.format("theirs"))
    (first,) = overwrites(bundle.target().plan(tree, made))
    assert f"{ROOT}/src/load was changed" in first
    put(bundle.stage.sim, f"{ROOT}/src/load.py", NOTEBOOK.format("theirs again"))
    (second,) = overwrites(bundle.target().plan(tree, made))
    assert second != first


def test_what_is_already_as_we_are_about_to_make_it_is_no_difference(bundle: Bundle) -> None:
    made = bundle.deployed()
    bundle.stage.write({"src/load.py": NOTEBOOK.format("patched")})
    bundle.upload()
    assert bundle.target().plan(bundle.stage.tree(), made) == ()


def test_without_a_record_of_ours_nothing_of_a_bundle_asks(bundle: Bundle) -> None:
    bundle.upload()
    put(bundle.stage.sim, f"{ROOT}/src/load.py", NOTEBOOK.format("theirs"))
    assert bundle.target().plan(bundle.stage.tree(), None) == ()


def test_settings_that_somebody_changed_ask_where_they_would_be_replaced(bundle: Bundle) -> None:
    made = bundle.deployed()
    tree = bundle.stage.tree()
    reset(bundle.stage.sim, bundle.job, timeout_seconds=60, max_concurrent_runs=3)
    assert bundle.target().plan(tree, made) == ()  # the plan says that the deploy leaves them
    bundle.answer(plan=plan(jobs__etl="update"))
    (detail,) = overwrites(bundle.target().plan(tree, made))
    assert "(max_concurrent_runs, timeout_seconds; now " in detail


def test_a_case_from_a_failed_run_compares_with_the_source(bundle: Bundle) -> None:
    bundle.upload()
    found = bundle.target().found(bundle.stage.tree())
    assert found.job == str(bundle.job)
    bundle.stage.write({"src/load.py": NOTEBOOK.format("patched")})
    assert bundle.target().plan(bundle.stage.tree(), found) == ()
    put(bundle.stage.sim, f"{ROOT}/src/tools.py", "RATE = 3\n")
    (detail,) = overwrites(bundle.target().plan(bundle.stage.tree(), found))
    assert "src/tools.py was changed" in detail


def test_a_case_from_a_failed_run_sees_settings_that_are_not_the_sources(bundle: Bundle) -> None:
    bundle.upload()
    reset(bundle.stage.sim, bundle.job, timeout_seconds=60)
    bundle.answer(plan=plan(jobs__etl="update"))
    found = bundle.target().found(bundle.stage.tree())
    (detail,) = overwrites(bundle.target().plan(bundle.stage.tree(), found))
    assert "(timeout_seconds; now " in detail


def test_a_job_that_was_never_deployed_cannot_be_taken_over(bundle: Bundle) -> None:
    bundle.answer(summary=(0, resolved(), ""))
    with pytest.raises(UsageError, match="not deployed"):
        bundle.target().found(bundle.stage.tree())


def test_production_asks_for_each_change_and_for_nothing_where_nothing_changes(
    bundle: Bundle,
) -> None:
    made = bundle.deployed()
    assert bundle.target(target="prod").is_production(bundle.stage.source)
    assert not bundle.target(target="dev").is_production(bundle.stage.source)
    assert bundle.target(target="prod").plan(bundle.stage.tree(), made) == ()
    bundle.answer(plan=plan(jobs__etl="update", schemas__gold="create"))
    bundle.stage.write({"src/load.py": NOTEBOOK.format("patched")})
    effects = bundle.target(target="prod").plan(bundle.stage.tree(), made)
    assert {e.kind for e in effects} == {"production_deploy"}
    assert [e.detail for e in effects] == [
        "updates jobs.etl on production target prod",
        "creates schemas.gold on production target prod",
        "brings changed files to production target prod",
    ]
    assert bundle.target(target="prod", production=False).plan(bundle.stage.tree(), made) == ()


def test_tasks_have_the_trees_files_and_what_they_import(bundle: Bundle) -> None:
    tree = bundle.stage.tree()
    load, report = bundle.target().tasks(tree)
    assert (load.task, load.path, load.type) == ("load", "src/load.py", "notebook_task")
    assert report.depends_on == ("load",)
    assert report.parameters == ("catalog",)
    assert [path for path, _ in report.imports] == ["src/tools.py"]
    assert calls(bundle.folder)[-1].startswith("bundle validate")


def test_the_users_own_folder_is_read_without_the_command(bundle: Bundle) -> None:
    tree = bundle.stage.tree().model_copy(update={"digest": "", "files": ()})
    tree = tree.model_copy(update={"root": str(bundle.stage.source)})
    load, report = bundle.target().tasks(tree)
    assert (load.path, report.path) == ("src/load.py", "src/report.py")
    assert calls(bundle.folder) == []


def test_a_change_concerns_the_tasks_whose_code_or_declaration_it_is_in(bundle: Bundle) -> None:
    before = bundle.stage.tree()
    bundle.stage.write({"src/tools.py": "RATE = 3\n"})
    code = bundle.stage.tree()
    assert bundle.target().affected(before, code) == ("report",)
    bundle.answer(validate=(0, resolved().replace('"dev"\n', '"live"\n'), ""))
    bundle.stage.write({"resources/etl.yml": JOB.replace("var.catalog", "bundle.target")})
    declared = bundle.stage.tree()
    assert bundle.target().affected(code, declared) == ("report",)
    assert bundle.target().affected(before, before) == ()


def test_a_change_is_told_from_the_files_alone_where_the_bundle_is_broken(bundle: Bundle) -> None:
    bundle.answer(validate=(1, "", PYTHON_TASK + STRICT))
    bundle.stage.write({"resources/etl.yml": JOB.replace("notebook_task", "python_task", 1)})
    before = bundle.stage.tree()
    assert [t.task for t in bundle.target().tasks(before)] == ["load", "report"]
    bundle.stage.write({"resources/etl.yml": JOB})
    assert bundle.target().affected(before, bundle.stage.tree()) == ("load",)

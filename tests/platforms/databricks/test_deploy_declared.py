"""A bundle's files read without running anything."""

from pathlib import Path

from agent.platforms.databricks import declared, deploying, overview
from agent.playbook import Playbook

MAIN = """\
bundle: {name: shop}
include:
  - resources/*.yml
  - resources/*/*.yml
variables:
  code: {default: src}
  rate: {default: 2}
targets:
  dev: {mode: development, default: true}
  prod:
    mode: production
    variables: {rate: 3}
    resources:
      jobs:
        load:
          tasks:
            - task_key: main
              timeout_seconds: 60
"""
LOAD = """\
resources:
  jobs:
    load:
      name: load ${bundle.target} ${var.rate}
      tasks:
        - task_key: main
          notebook_task: {notebook_path: "../${var.code}/main.py"}
        - task_key: report
          spark_python_task: {python_file: "${workspace.file_path}/src/report.py"}
          libraries: [{whl: ../dist/*.whl}, {pypi: {package: requests}}]
"""
MORE = """\
resources:
  jobs:
    both:
      tasks:
        - task_key: one
          run_job_task: {job_id: "${resources.jobs.load.id}"}
    night:
      tasks:
        - task_key: all
          run_job_task: {job_id: "${resources.jobs.both.id}"}
        - task_key: refresh
          pipeline_task: {pipeline_id: "${resources.pipelines.silver.id}"}
  pipelines:
    silver:
      name: silver
      libraries: [{notebook: {path: ../../src/silver.py}}]
"""


def write(root: Path) -> None:
    (root / "resources" / "more").mkdir(parents=True)
    (root / "databricks.yml").write_text(MAIN)
    (root / "resources" / "load.yml").write_text(LOAD)
    (root / "resources" / "more" / "more.yml").write_text(MORE)


def test_includes_variables_targets_and_paths_are_put_together(tmp_path: Path) -> None:
    write(tmp_path)
    dev = declared.read(tmp_path, None, {})
    prod = declared.read(tmp_path, "prod", {"code": "lib"})
    assert dev is not None
    assert prod is not None
    assert (dev.target, dev.mode, prod.mode) == ("dev", "development", "production")
    assert dev.resources["jobs"]["load"]["name"] == "load dev 2"
    assert prod.resources["jobs"]["load"]["name"] == "load prod 3"
    main, report = dev.resources["jobs"]["load"]["tasks"]
    assert main["notebook_task"]["notebook_path"] == "src/main.py"
    assert report["spark_python_task"]["python_file"] == "src/report.py"
    assert report["libraries"][0] == {"whl": "dist/*.whl"}
    assert prod.resources["jobs"]["load"]["tasks"][0] == {
        "task_key": "main",
        "notebook_task": {"notebook_path": "lib/main.py"},
        "timeout_seconds": 60,
    }
    silver = dev.resources["pipelines"]["silver"]
    assert silver["libraries"] == [{"notebook": {"path": "src/silver.py"}}]


def test_kinds_places_and_tasks_are_found_by_key_and_line(tmp_path: Path) -> None:
    write(tmp_path)
    found = declared.read(tmp_path, None, {})
    assert found is not None
    assert [found.kind(k) for k in ("load", "silver", "x")] == ["job", "pipeline", None]
    assert found.place("resources", "jobs", "load") == ("resources/load.yml", 3)
    assert [found.task_at("resources/load.yml", n) for n in (4, 7, 10)] == [None, "main", "report"]
    book = {"platform": "databricks", "job": {"bundle": "silver"}}
    assert deploying.resource_kind(Playbook.model_validate(book), tmp_path) == "pipeline"


def test_a_broken_file_is_left_out_and_a_missing_bundle_is_none(tmp_path: Path) -> None:
    assert declared.read(tmp_path, None, {}) is None
    write(tmp_path)
    (tmp_path / "resources" / "load.yml").write_text("resources: [")
    found = declared.read(tmp_path, None, {})
    assert found is not None
    assert found.kind("load") is None
    assert found.kind("night") == "job"


def test_includes_stay_inside_the_bundle(tmp_path: Path) -> None:
    root = tmp_path / "bundle"
    root.mkdir()
    (tmp_path / "out.yml").write_text(LOAD)
    (root / "databricks.yml").write_text("bundle: {name: x}\ninclude: [../out.yml]\n")
    found = declared.read(root, None, {})
    assert found is not None
    assert found.kind("load") is None


def test_variables_that_go_round_in_a_circle_are_left_as_they_are(tmp_path: Path) -> None:
    text = 'variables: {a: {default: "${var.b}"}, b: {default: "${var.a}"}}\n'
    job = 'resources: {jobs: {j: {name: "${var.a} ${var.none}"}}}\n'
    (tmp_path / "databricks.yml").write_text(text + job)
    found = declared.read(tmp_path, None, {})
    assert found is not None
    assert "${var." in found.resources["jobs"]["j"]["name"]


def test_an_overview_tells_targets_and_what_runs_what(tmp_path: Path) -> None:
    write(tmp_path)
    found = overview.read(tmp_path)
    assert found is not None
    assert found.targets == {"dev": "development", "prod": "production"}
    assert found.default == "dev"
    assert {j.key: (j.kind, j.runs) for j in found.jobs} == {
        "load": ("atomic", ()),
        "both": ("composite", ("load",)),
        "night": ("orchestrator", ("both",)),
    }
    assert found.pipelines == ("silver",)
    assert overview.read(tmp_path / "resources") is None


def test_the_playbook_of_an_overview_is_for_dev_unless_another_is_chosen(tmp_path: Path) -> None:
    from agent import playbook

    write(tmp_path)
    found = overview.read(tmp_path)
    assert found is not None
    for target, wanted in ((None, "dev"), ("prod", "prod")):
        file = tmp_path / f"{wanted}.yaml"
        file.write_text(overview.playbook(found, "night", target))
        book = playbook.load(file).playbook
        assert (book.platform, book.target, book.job.bundle) == ("databricks", wanted, "night")

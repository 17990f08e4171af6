"""What the stand-in says about a bundle before anything is deployed."""

from dataclasses import fields as dataclass_fields

from standin_stage import JOB, MAIN, ROOT, Stage

from agent.simulators.bundle import fields


def test_a_sound_bundle_is_validated_in_the_documented_words(stage: Stage) -> None:
    said = stage.bundle("validate")
    assert said.code == 0
    assert said.err == ""
    expected = ["Name: shop", "Target: dev", "Workspace:", f"  Host: {stage.sim.url}"]
    expected += ["  User: rehearsal@example.com", f"  Path: {ROOT}", "", "Validation OK!"]
    assert said.out.splitlines() == expected


def test_an_unknown_field_is_a_warning_with_its_place(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "          notebook_task:", "          python_task:")
    said = stage.bundle("validate")
    assert said.code == 0
    assert said.err.splitlines()[:3] == [
        "Warning: unknown field: python_task",
        "  at resources.jobs.gold.tasks[0]",
        "  in resources/gold.yml:7:11",
    ]
    assert said.out.endswith("Found 1 warning\n")


def test_strict_makes_a_warning_an_error(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "          notebook_task:", "          python_task:")
    said = stage.bundle("validate", "--strict")
    assert said.code == 1
    end = "Error: 1 warning was found. Warnings are not allowed in strict mode\n"
    assert said.err.endswith(end)


def test_strict_counts_several_warnings(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "      name: gold merge", "      nam: a\n      title: b")
    said = stage.bundle("validate", "--strict")
    assert "2 warnings were found" in said.err


def test_the_oldest_generation_has_no_strict(stage: Stage) -> None:
    said = stage.bundle("validate", "--strict", RUNMEND_STANDIN_SPEAKS="0.278")
    assert (said.code, said.err) == (1, "Error: unknown flag: --strict\n")


def test_json_shows_what_would_be_deployed(stage: Stage) -> None:
    job = stage.bundle("validate", "-o", "json").json["resources"]["jobs"]["gold"]
    assert job["deployment"] == {
        "kind": "BUNDLE",
        "metadata_file_path": f"{ROOT}/state/metadata.json",
    }
    assert (job["edit_mode"], job["format"]) == ("UI_LOCKED", "MULTI_TASK")
    assert (job["max_concurrent_runs"], job["queue"]) == (1, {"enabled": True})
    task = job["tasks"][0]["notebook_task"]
    assert task["notebook_path"] == f"{ROOT}/files/src/merge"
    assert task["base_parameters"] == {"catalog": "dev"}


def test_a_missing_notebook_is_an_error_with_its_place(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "../src/merge.py", "../src/merged.py")
    said = stage.bundle("validate")
    assert said.code == 1
    assert said.err.splitlines()[:3] == [
        "Error: notebook src/merged.py not found",
        "  at resources.jobs.gold.tasks[0].notebook_task.notebook_path",
        "  in resources/gold.yml:8:28",
    ]
    assert said.out.endswith("Found 1 error\n")


def test_a_notebook_without_its_extension_is_guessed_at(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "../src/merge.py", "../src/merge")
    said = stage.bundle("validate")
    assert "Error: notebook src/merge not found. Did you mean src/merge.py?" in said.err
    assert "[.py, .r, .scala, .sql, .ipynb]" in said.err


def test_a_script_is_no_notebook_and_a_notebook_no_script(stage: Stage) -> None:
    stage.write("src/merge.py", "print(1)\n")
    assert "is not a notebook" in stage.bundle("validate").err
    stage.write("src/merge.py", "# Databricks notebook source\n")
    stage.edit("resources/gold.yml", "notebook_task:", "spark_python_task:")
    stage.edit("resources/gold.yml", "notebook_path", "python_file")
    said = stage.bundle("validate")
    assert "but got a notebook: file at src/merge.py is a notebook" in said.err
    assert "Warning: unknown field: base_parameters" in said.err


def test_a_path_out_of_the_bundle_is_refused(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "../src/merge.py", "../../src/merge.py")
    assert "is not contained in sync root path" in stage.bundle("validate").err


def test_wrong_types_are_errors_but_texts_that_fit_are_read(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "      name: gold merge", '      timeout_seconds: "60"')
    assert stage.bundle("validate").code == 0
    stage.edit("resources/gold.yml", '"60"', "soon")
    said = stage.bundle("validate")
    assert said.code == 1
    assert 'Error: cannot parse "soon" as an integer' in said.err
    stage.edit("resources/gold.yml", "timeout_seconds: soon", "tags: [a, b]")
    assert "Error: expected map, found sequence" in stage.bundle("validate").err


def test_a_word_that_no_enum_has_is_a_warning(stage: Stage) -> None:
    stage.edit(
        "resources/gold.yml", "- task_key: merge", "- task_key: merge\n          run_if: NEVER"
    )
    said = stage.bundle("validate")
    assert said.code == 0
    assert 'Warning: invalid value "NEVER" for enum field. Valid values are [ALL_DONE' in said.err
    assert "  in resources/gold.yml:7:19" in said.err


def test_an_unknown_reference_is_an_error_where_it_stands(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "${var.catalog}", "${catalog}")
    said = stage.bundle("validate")
    assert said.code == 1
    assert "Error: reference does not exist: ${catalog}\n" in said.err
    assert "  in resources/gold.yml:10:24" in said.err


def test_a_variable_comes_from_flag_environment_target_and_default(stage: Stage) -> None:
    def catalog(*argv: str, **env: str) -> str:
        found = stage.bundle("validate", "-o", "json", *argv, **env).json
        task = found["resources"]["jobs"]["gold"]["tasks"][0]
        return str(task["notebook_task"]["base_parameters"]["catalog"])

    assert catalog() == "dev"
    stage.write("databricks.yml", MAIN + "    variables: {catalog: of_target}\n")
    assert catalog() == "of_target"
    assert catalog(BUNDLE_VAR_catalog="of_env") == "of_env"
    assert catalog("--var", "catalog=of_flag", BUNDLE_VAR_catalog="of_env") == "of_flag"


def test_a_variable_without_a_value_is_an_error(stage: Stage) -> None:
    stage.edit("databricks.yml", "catalog: {default: dev}", "catalog: {description: which}")
    said = stage.bundle("validate")
    assert said.code == 1
    assert "Error: no value assigned to required variable catalog." in said.err
    assert "variable other has not been defined" in stage.bundle("validate", "--var=other=1").err


def test_a_complex_variable_is_put_in_whole(stage: Stage) -> None:
    complex_one = "\n".join(
        ("variables:", "  catalog: {default: dev}", "  retry:", "    type: complex")
    )
    stage.edit("databricks.yml", "variables:\n  catalog: {default: dev}", complex_one)
    stage.edit("databricks.yml", "type: complex", "type: complex\n    default: {email: [a@b.c]}")
    stage.edit("resources/gold.yml", "      name: gold merge", "      tags: ${var.retry}")
    said = stage.bundle("validate")
    assert "Error: expected string, found sequence" in said.err
    assert "at resources.jobs.gold.tags.email" in said.err


def test_a_key_used_twice_is_an_error_with_both_places(stage: Stage) -> None:
    stage.write("resources/copy.yml", JOB)
    said = stage.bundle("validate")
    assert said.code == 1
    assert "multiple resources or scripts have been defined with the same key: gold" in said.err
    assert "resources/copy.yml:3:5" in said.err
    assert "resources/gold.yml:3:5" in said.err


def test_an_include_without_files_is_an_error(stage: Stage) -> None:
    stage.edit("databricks.yml", "resources/*.yml", "resources/none.yml")
    said = stage.bundle("validate")
    assert "resources/none.yml defined in 'include' section does not match any files" in said.err


def test_a_file_that_is_no_yaml_is_an_error_with_its_line(stage: Stage) -> None:
    stage.write("resources/gold.yml", "resources:\n  jobs: [\n")
    said = stage.bundle("validate")
    assert said.code == 1
    assert "failed to load resources/gold.yml: yaml: line " in said.err


def test_targets_are_chosen_and_missed(stage: Stage) -> None:
    said = stage.bundle("validate", "-t", "prod")
    assert said.err == "Error: prod: no such target. Available targets: dev\n"
    stage.edit("databricks.yml", "    default: true\n", "    mode: sandbox\n  prod: {}\n")
    assert stage.bundle("validate").err == "Error: please specify target\n"
    assert "unsupported value 'sandbox'" in stage.call("-t", "dev", "bundle", "validate").err


def test_a_target_overrides_a_task_by_its_key(stage: Stage) -> None:
    over = "    resources: {jobs: {gold: {tasks: [{task_key: merge, max_retries: 2}]}}}\n"
    stage.write("databricks.yml", MAIN + over)
    job = stage.bundle("validate", "-o", "json").json["resources"]["jobs"]["gold"]
    (task,) = job["tasks"]
    assert task["max_retries"] == 2
    assert task["notebook_task"]["notebook_path"] == f"{ROOT}/files/src/merge"


def test_development_prefixes_pauses_and_tags(stage: Stage) -> None:
    stage.write("databricks.yml", MAIN + "    mode: development\n")
    schedule = "{quartz_cron_expression: 0 0 5 * * ?, timezone_id: UTC}"
    stage.edit(
        "resources/gold.yml",
        "merge\n      tasks",
        f"merge\n      schedule: {schedule}\n      tasks",
    )
    job = stage.bundle("validate", "-o", "json").json["resources"]["jobs"]["gold"]
    assert job["name"] == "[dev rehearsal] gold merge"
    assert job["schedule"]["pause_status"] == "PAUSED"
    assert job["tags"] == {"dev": "rehearsal"}
    assert job["max_concurrent_runs"] == 4


def test_development_needs_a_place_of_ones_own(stage: Stage) -> None:
    own = "    mode: development\n    workspace: {root_path: /Shared/shop}\n"
    stage.write("databricks.yml", MAIN + own)
    assert "must deploy to a location unique to the user" in stage.bundle("validate").err


def test_production_needs_a_root_and_no_development_pipeline(stage: Stage) -> None:
    stage.write("databricks.yml", MAIN + "    mode: production\n")
    stage.write("resources/p.yml", "resources: {pipelines: {silver: {development: true}}}\n")
    said = stage.bundle("validate")
    assert "must set 'workspace.root_path' to make sure only one copy is deployed" in said.err
    assert "cannot include a pipeline with 'development: true'" in said.err


def test_code_of_the_project_is_refused_or_left_out(stage: Stage) -> None:
    code = "python: {mutators: ['mutators:add'], venv_path: .venv}\n"
    stage.write("databricks.yml", MAIN + code)
    said = stage.bundle("validate", DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION="1")
    assert said.code == 1
    why = "is not allowed when DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION is set"
    assert said.err == f"Error: Running Python code {why}\n"
    said = stage.bundle("validate")
    assert said.code == 0
    assert "Warning: python is not run" in said.err
    build = "artifacts: {wheel: {type: whl, build: exit 3}}\n"
    stage.write("databricks.yml", MAIN + build)
    assert stage.bundle("validate", DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION="1").code == 0
    assert stage.bundle("plan", DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION="1").code == 1


def test_the_way_to_the_workspace_is_found_or_said_to_be_missing(stage: Stage) -> None:
    stage.env.pop("DATABRICKS_HOST")
    assert "cannot resolve bundle auth configuration" in stage.bundle("validate").err
    profile = f"[work]\nhost = {stage.sim.url}\ntoken = {stage.sim.token}\n"
    (stage.folder.parent / ".databrickscfg").write_text(profile, "utf-8")
    stage.env.pop("DATABRICKS_TOKEN")
    assert stage.bundle("validate", "-p", "work").code == 0
    assert "has no play profile configured" in stage.bundle("validate", "-p", "play").err
    stage.write("databricks.yml", MAIN + f"    workspace: {{host: '{stage.sim.url}'}}\n")
    assert stage.bundle("validate").code == 0
    said = stage.bundle("validate", DATABRICKS_TOKEN="dapi" + "0" * 32)
    assert said.code == 1
    assert said.err.startswith("Error: ")
    assert stage.call("current-user", "me", "-p", "work").json["userName"] == stage.sim.user


def test_fields_are_those_of_the_sdk() -> None:
    from databricks.sdk.service import compute, jobs, pipelines, sql

    for module, name in (
        (jobs, "JobSettings"),
        (jobs, "Task"),
        (compute, "ClusterSpec"),
        (pipelines, "PipelineSpec"),
        (sql, "AlertV2"),
    ):
        ours = fields.of_class(module.__name__.rpartition(".")[2], name)
        assert list(ours) == [field.name for field in dataclass_fields(getattr(module, name))]
    assert fields.members("jobs", "RunIf") == tuple(item.value for item in jobs.RunIf)
    assert fields.of_class("jobs", "JobSettings")["tasks"].inner == fields.Shape(
        "object", None, ("jobs", "Task")
    )

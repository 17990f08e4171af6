"""A bundle's files name their notebooks from their own folder: out of it is not out of the tree."""

import pytest

from agent import effects

TASK = (
    "resources: {{jobs: {{etl: {{tasks: [{{task_key: a, "
    "notebook_task: {{notebook_path: {}}}}}]}}}}}}\n"
)


@pytest.mark.parametrize("right", ["../src/load.py", "./load.py", "../../x/load.py"])
def test_a_path_up_and_down_again_stays_in_the_tree(right: str) -> None:
    found = effects.of_change("resources/jobs/etl.yml", TASK.format("load.py"), TASK.format(right))
    assert found == ()


@pytest.mark.parametrize("wrong", ["../../../load.py", "/Workspace/load.py", "../../../../etc/x"])
def test_a_path_out_of_the_tree_asks(wrong: str) -> None:
    found = effects.of_change("resources/jobs/etl.yml", TASK.format("load.py"), TASK.format(wrong))
    assert [e.kind for e in found] == ["setting_change"]


def test_the_right_name_of_a_task_type_does_what_was_always_said() -> None:
    before = TASK.format("../src/load.py").replace("notebook_task", "python_task")
    found = effects.of_change("resources/etl.yml", before, TASK.format("../src/load.py"))
    assert found == ()

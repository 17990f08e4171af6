"""Genie spaces of the simulated workspace, as databricks-sdk reads and writes them."""

import json

import pytest
from databricks.sdk.errors import InternalError, InvalidParameterValue, NotFound, ResourceConflict
from sim_sdk import client

from agent.simulators.databricks import Simulator, genie, warehouses

SPACE = {"version": 1, "config": {"sample_questions": [{"id": "a", "question": ["How many?"]}]}}


def create(sim: Simulator, space: object = SPACE) -> str:
    made = client(sim).genie.create_space(
        warehouses.default_id(sim),
        json.dumps(space),
        title="Sales",
        parent_path="/Workspace/Shared",
    )
    return made.space_id


def test_the_etag_comes_only_with_the_serialized_space(sim: Simulator) -> None:
    api = client(sim).genie
    key = create(sim)
    assert len(key) == 32
    plain = api.get_space(key)
    assert (plain.etag, plain.serialized_space, plain.parent_path) == (None, None, "/Shared")
    assert plain.create_time is not None
    whole = api.get_space(key, include_serialized_space=True)
    assert whole.etag
    read = json.loads(whole.serialized_space or "")
    assert (read["version"], read["data_sources"]) == (2, {})
    assert [one.title for one in api.list_spaces().spaces or []] == ["Sales"]


def test_a_change_needs_the_etag_that_was_read(sim: Simulator) -> None:
    api = client(sim).genie
    key = create(sim)
    etag = api.get_space(key, include_serialized_space=True).etag
    assert api.update_space(key, title="Sales EU", etag=etag).title == "Sales EU"
    with pytest.raises(ResourceConflict, match="etag"):
        api.update_space(key, title="Other", etag=etag)
    assert api.get_space(key).title == "Sales EU"


@pytest.mark.parametrize(
    "space",
    [
        "not an object",
        {"version": 1, "config": {"name": "x"}},
        {"version": 1, "config": {"sample_questions": {"question": "x"}}},
        {"version": 1, "data_sources": {"metric_views": [{"name": "m"}]}},
        {"version": 1, "instructions": {"text_instructions": "be kind"}},
    ],
)
def test_a_space_of_the_wrong_shape_is_refused(sim: Simulator, space: object) -> None:
    with pytest.raises(InvalidParameterValue, match="Invalid JSON in field 'serialized_space'"):
        create(sim, space)


def test_known_failures_can_be_declared_and_spaces_deleted(sim: Simulator) -> None:
    message = "Failed to retrieve schema from unity catalog."
    genie.declare_refusal(sim, "Sales", message)
    with pytest.raises(InternalError, match=message):
        create(sim)
    genie.declare_refusal(sim, "Sales", None)
    key = create(sim)
    client(sim).genie.trash_space(key)
    with pytest.raises(NotFound):
        client(sim).genie.get_space(key)

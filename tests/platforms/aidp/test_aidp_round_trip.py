"""Any job that the service may have survives being read, changed by us and put back."""

import copy
from typing import Any

import pytest
from aidp_deploy_stage import Stage
from aidp_workspace import Workspace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.platforms.aidp import definitions, ours, schedules, schema
from agent.platforms.aidp.schema import Listed, Shape, Type, Words
from agent.simulators.aidp import jobs

_WORDS = st.sampled_from(["a", "1==1", "é ü", "{{job.run_id}}", "x" * 40, ""])
_UNKNOWN = st.dictionaries(
    st.sampled_from(["x_one", "x_two", "x_three"]),
    st.sampled_from([0, False, "", [], "text", 3.5, [1, {"deep": [None]}], {"inner": {"a": None}}]),
    max_size=2,
)
"""Fields that no schema has, with values of any kind."""
_KEYS = {"task": "taskKey", "parameter": "name", "cluster": "clusterKey", "dependsOn": "taskKey"}


def values(wanted: Type) -> st.SearchStrategy[Any]:
    """Return what a field of the schema may hold."""
    match wanted:
        case Words():
            return st.sampled_from(wanted.known)
        case Shape():
            return shaped(wanted)
        case Listed(of=Shape() as shape):
            key = _KEYS.get(shape.name, "key")
            return st.lists(shaped(shape), max_size=2, unique_by=lambda item: item.get(key, "-"))
        case Listed():
            return st.lists(values(wanted.of), max_size=2)
        case "number":
            return st.integers(0, 9)
        case "boolean":
            return st.booleans()
    return _WORDS


def shaped(shape: Shape, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects of a shape: what they must have, some of the rest, and unknown fields."""
    fields = {n: fixed[n] if n in fixed else values(t) for n, t in shape.fields.items()}
    must = {name: fields[name] for name in (*shape.required, *fixed)}
    may = {name: found for name, found in fields.items() if name not in must}
    known = st.fixed_dictionaries(must, optional=may)
    return st.builds(lambda one, more: {**one, **more}, known, _UNKNOWN)


def task(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return tasks of one type."""
    shape = schema.TASKS.get(kind, schema.ANY_TASK)
    return shaped(shape, type=st.just(kind))


def _numbered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one | {"taskKey": f"task_{i}", "dependsOn": []} for i, one in enumerate(found)]


TASKS = st.lists(st.sampled_from(schema.TYPES.known).flatmap(task), min_size=1, max_size=4).map(
    _numbered
)
JOBS = shaped(
    schema.JOB,
    name=st.just("any.job"),
    path=st.just("/Workspace/Shared"),
    maxConcurrentRuns=st.just(1),
    tasks=TASKS,
)


def known(value: Any) -> Any:
    """Return a definition as our own file would have it: without what nobody here knows."""
    if isinstance(value, dict):
        return {k: known(v) for k, v in value.items() if not k.startswith("x_")}
    return [known(v) for v in value] if isinstance(value, list) else copy.deepcopy(value)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(JOBS)
def test_laying_our_own_words_over_a_job_loses_no_field(job: dict[str, Any]) -> None:
    there = {"key": "k", "createdBy": "u", "timeUpdated": "t", **job}
    wanted = known(job) | {"description": "ours"}
    made = definitions.laid_over(wanted, there)
    assert made == job | {"description": "ours"}
    assert definitions.stripped(there) == job


def _through(stage: Stage, job: dict[str, Any]) -> None:
    """Have the workspace get a job, change it, and look that nothing else has changed."""
    session = stage.session()
    with stage.sim.lock, stage.sim.store.changes():
        key = jobs.store(stage.sim, job, stage.sim.user_id)["key"]
    there = ours.read(session, key)
    body = definitions.laid_over(known(job) | {"description": "ours"}, there.definition)
    schedules.put(session, there, body, "any.job")
    now = definitions.stripped(ours.read(session, key).definition)
    assert now == job | {"description": "ours"}
    session.api.send("DELETE", f"/jobs/{key}", what="delete")


def _all_of_them(stage: Stage, count: int) -> None:
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(JOBS)
    def each(job: dict[str, Any]) -> None:
        _through(stage, job)

    each()


def test_some_jobs_survive_the_service(workspace: Workspace) -> None:
    _all_of_them(Stage(workspace), 15)


@pytest.mark.slow
def test_five_hundred_jobs_survive_the_service(workspace: Workspace) -> None:
    _all_of_them(Stage(workspace), 500)

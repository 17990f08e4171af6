"""Any job that the service may have survives being read, changed by us and put back."""

import copy
from random import Random
from typing import Any

import pytest
from aidp_deploy_stage import Stage
from aidp_workspace import Workspace
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.platforms.aidp import definitions, ours, schedules, schema
from agent.platforms.aidp.schema import Listed, Shape, Type, Words
from agent.simulators.aidp import jobs

_TEXTS = ("a", "1==1", "é ü", "{{job.run_id}}", "x" * 40, "")
_OF_UNKNOWN = (0, False, "", [], "text", 3.5, [1, {"deep": [None]}], {"inner": {"a": None}})
_SCHEDULE = {"quartzCronExpression": "0 0 6 * * ?", "timezoneId": "UTC"}
_DOCUMENTED = tuple(schema.TASKS)


def filled(wanted: Type, place: int, draw: Random) -> Any:
    """Return what a field of the schema may hold."""
    match wanted:
        case Words():
            return draw.choice(wanted.known)
        case Shape():
            return shaped(wanted, place, draw)
        case Listed():
            return [filled(wanted.of, i, draw) for i in range(draw.randrange(3))]
        case "number":
            return draw.randrange(10)
        case "boolean":
            return draw.random() < 0.5
    return draw.choice(_TEXTS)


def shaped(shape: Shape, place: int, draw: Random, **fixed: Any) -> dict[str, Any]:
    """Return an object of a shape: what it must have, some of the rest, and unknown fields.

    What names it in a list is its own.
    """
    own = {name: f"{name}_{place}" for name in ("taskKey", "name", "key", "clusterKey")}
    made = {
        name: own[name] if name in own else filled(wanted, place, draw)
        for name, wanted in shape.fields.items()
        if name in shape.required or draw.random() < 0.6
    }
    more = {
        f"x_{draw.randrange(9)}": copy.deepcopy(draw.choice(_OF_UNKNOWN))
        for _ in range(draw.randrange(3))
    }
    return made | fixed | more


def generated(seed: int, types: tuple[str, ...] = _DOCUMENTED) -> dict[str, Any]:
    """Return a job with tasks of these types, at least one of each where there are enough."""
    draw = Random(seed)  # noqa: S311  not for secrets
    tasks = []
    for i in range(draw.randrange(1, 7)):
        kind = types[(seed + i) % len(types)]
        shape = schema.TASKS.get(kind, schema.ANY_TASK)
        needs = [{"taskKey": f"taskKey_{i - 1}", "outcome": "true", "x_1": [i]}] if i else []
        tasks.append(shaped(shape, i, draw, type=kind, dependsOn=needs))
    fixed = {"name": "any.job", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
    job = shaped(schema.JOB, 0, draw, **fixed, tasks=tasks)
    if "schedule" in job:
        job["schedule"] |= _SCHEDULE
    return job


SEEDS = st.integers(0, 2**32)


def known(value: Any) -> Any:
    """Return a definition as our own file would have it: without what nobody here knows."""
    if isinstance(value, dict):
        return {k: known(v) for k, v in value.items() if not k.startswith("x_")}
    return [known(v) for v in value] if isinstance(value, list) else copy.deepcopy(value)


@settings(max_examples=500, deadline=None)
@given(SEEDS)
def test_laying_our_own_words_over_a_job_loses_no_field(seed: int) -> None:
    job = generated(seed, schema.TYPES.known)
    there = {"key": "k", "createdBy": "u", "timeUpdated": "t", **job}
    wanted = known(job) | {"description": "ours"}
    made = definitions.laid_over(wanted, there)
    assert made == job | {"description": "ours"}
    assert definitions.stripped(there) == job


def _through(stage: Stage, job: dict[str, Any]) -> None:
    """Have the workspace get a job, change it, and look that nothing else has changed."""
    session, sim = stage.session(), stage.sim
    with sim.lock, sim.store.changes():
        key = jobs.store(sim, job, sim.user_id)["key"]
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
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(SEEDS)
    def each(seed: int) -> None:
        _through(stage, generated(seed))

    each()


def test_some_jobs_survive_the_service(workspace: Workspace) -> None:
    _all_of_them(Stage(workspace), 6)


@pytest.mark.slow
def test_five_hundred_jobs_survive_the_service(workspace: Workspace) -> None:
    _all_of_them(Stage(workspace), 500)

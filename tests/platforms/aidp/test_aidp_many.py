"""A workspace with many jobs and runs: lists find all of them, and say what they cost."""

from collections.abc import Iterator

import pytest
from aidp_workspace import Workspace

from agent.errors import Unavailable
from agent.platforms.aidp import runs
from agent.simulators.aidp import Options, Simulator, VirtualClock
from agent.simulators.aidp import jobs as simulated
from agent.simulators.aidp import runs as simulated_runs

JOBS, RUNS = 1_200, 5_000


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("crowded")
    with Simulator(folder / "workspace", clock=VirtualClock()) as sim:
        keys = simulated.load(sim, JOBS)
        simulated_runs.load(sim, [*keys[:10], keys[0], keys[0]], RUNS)
        yield Workspace(sim, folder)
    assert sim.problems == []


@pytest.mark.slow
def test_lists_find_every_job_and_every_run(
    crowded: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    api = crowded.connect().api
    for size in (1000, 100, 25):
        before = api.calls
        names = [job["name"] for job in api.pages("/jobs", limit=size, sortBy="timeCreated")]
        assert sorted(names) == sorted(f"bulk_{n}" for n in range(JOBS))
        with capsys.disabled():
            print(f"\n{JOBS:,} jobs, pages of {size}: {api.calls - before} calls")  # noqa: T201
        assert api.calls - before <= -(-JOBS // size) + 1
    found: set[str] = set()
    before = api.calls
    for job in api.pages("/jobs", limit=1000, sortBy="timeCreated"):
        if job["name"].removeprefix("bulk_") in {str(n) for n in range(10)}:
            found |= {run["key"] for run in runs.listed(api, job["key"])}
    assert len(found) == RUNS
    with capsys.disabled():
        print(f"{RUNS:,} runs of 10 jobs: {api.calls - before} calls")  # noqa: T201


@pytest.mark.slow
def test_what_is_no_list_is_never_an_empty_one(crowded: Workspace) -> None:
    api = crowded.connect().api
    for kind in ("html", "500", "429", "drop_before"):
        crowded.sim.faults.add("GET */jobs*", kind, times=None, seconds=0)
        with pytest.raises(Unavailable):
            list(api.pages("/jobs", limit=100, sortBy="timeCreated"))
        crowded.sim.faults.clear()
    crowded.sim.options = Options(page_repeats=True)
    try:
        assert len(list(api.pages("/jobs", limit=100, sortBy="timeCreated"))) <= JOBS
    finally:
        crowded.sim.options = Options()

"""Clusters are named by their display names, ACTIVE before a run, and left as they were."""

from typing import Any

import pytest
from aidp_deploy_stage import FILE, Stage
from aidp_workspace import Workspace

from agent.errors import Unavailable
from agent.platforms.aidp import clusters
from agent.platforms.aidp.clusters import Cluster, Problem
from agent.records import Deployment
from agent.simulators.aidp import computing

START: dict[str, Any] = {"aidp": {"start_cluster": True}}


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    made = Stage(workspace)
    made.usual()
    return made


def named(stage: Stage, name: str) -> Cluster | Problem:
    """Look a cluster up as a job file names it."""
    return clusters.named(clusters.every(stage.session()), name, 'clusterName of task "a"')


def told(stage: Stage, old: str, new: str) -> list[str]:
    """Return codes and texts of what is told of a job file with a change."""
    stage.write({"job.yaml": FILE.replace(old, new)})
    return [f"{f.code} {line.text}" for f in stage.failures() for line in f.log]


def test_a_cluster_is_found_by_its_display_name(stage: Stage) -> None:
    found = named(stage, stage.sim.cluster_name)
    assert isinstance(found, Cluster)
    assert (found.key, found.state) == (stage.sim.cluster_key, "ACTIVE")


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        (
            "rehearsl_cluster",
            "CLUSTER_NOT_FOUND",
            'but there is no such cluster; did you mean "rehearsal_cluster"? (clusters: '
            "rehearsal_cluster)",
        ),
        (
            "{key}",
            "JOB_INVALID",
            'a cluster\'s key, not its display name; did you mean "rehearsal_cluster"?',
        ),
        (
            "00000000-0000-4000-8000-000000000000",
            "JOB_INVALID",
            "a key, not a display name, and no cluster has it (clusters: rehearsal_cluster)",
        ),
        (
            computing.DEFAULT_NAME,
            "JOB_INVALID",
            "the catalog's own compute, which jobs cannot use (clusters: rehearsal_cluster)",
        ),
    ],
)
def test_a_name_that_is_none_is_told_with_those_there_are(
    stage: Stage, name: str, code: str, why: str
) -> None:
    name = name.format(key=stage.sim.cluster_key)
    assert named(stage, name) == Problem(f'clusterName of task "a" is "{name}", {why}', code)


def test_a_wrong_cluster_in_a_job_file_is_told_with_its_line(stage: Stage) -> None:
    cluster = "{clusterName: rehearsal_cluster}"
    assert told(stage, "rehearsal_cluster", "etl") == [
        'CLUSTER_NOT_FOUND job.yaml:10: clusterName of task "load" is "etl", but there is no such '
        "cluster (clusters: rehearsal_cluster)"
    ]
    assert told(stage, cluster, "{clusterKey: 12}") == [
        'CLUSTER_NOT_FOUND job.yaml:10: clusterKey of task "load" is "12", but no cluster has it '
        "(clusters: rehearsal_cluster)"
    ]
    assert told(stage, cluster, "{clusterName: rehearsal_cluster, clusterKey: 12}") == [
        'JOB_INVALID job.yaml:10: clusterKey of task "load" is "12", which is no cluster\'s key, '
        'not "rehearsal_cluster"; leave clusterKey out'
    ]
    assert told(stage, cluster, "{}") == [
        'JOB_INVALID job.yaml:10: cluster of task "load" names none; write clusterName: <display '
        "name>"
    ]


def test_the_playbooks_cluster_is_told_once(stage: Stage) -> None:
    text = FILE.replace("    cluster: {clusterName: rehearsal_cluster}\n", "")
    stage.write({"job.yaml": text})
    [failure] = stage.failures(aidp={"cluster": "rehearsal"})
    assert len(failure.log) == 1
    assert failure.message.endswith(
        'aidp.cluster is "rehearsal", but there is no such cluster; did you mean '
        '"rehearsal_cluster"? (clusters: rehearsal_cluster)'
    )
    [failure] = stage.failures(aidp={"cluster": None})
    assert 'the key "cluster" of task "load" is missing' in failure.message


@pytest.mark.slow
def test_a_cluster_of_the_job_alone_is_left_as_it_is(stage: Stage) -> None:
    new = "{newCluster: {numWorkers: 2, sparkVersion: 3.5.0}}"
    stage.write({"job.yaml": FILE.replace("{clusterName: rehearsal_cluster}", new)})
    made = stage.deployed()
    load, report = stage.job(made.job)["tasks"]
    assert load["cluster"] == {"newCluster": {"numWorkers": 2, "sparkVersion": "3.5.0"}}
    assert report["cluster"]["clusterName"] == "rehearsal_cluster"
    assert len(stage.job(made.job)["jobClusters"]) == 1


def test_a_stopped_cluster_is_a_failure_unless_it_may_be_started(stage: Stage) -> None:
    stage.stop_cluster()
    [failure] = stage.failures()
    assert failure.code == "CLUSTER_NOT_ACTIVE"
    assert failure.message == (
        f'cluster "rehearsal_cluster" ({stage.sim.cluster_key}) is STOPPED, expected ACTIVE; '
        "start it, or allow that with aidp.start_cluster: true"
    )
    assert not stage.where.called("POST", "/actions/start")


def test_a_stopped_cluster_is_started_waited_for_and_stopped_again(stage: Stage) -> None:
    stage.stop_cluster()
    effects = stage.plan(production=True, **START)
    label = f'cluster "rehearsal_cluster" ({stage.sim.cluster_key})'
    assert (effects[0].detail, effects[0].shown) == (f"starts {label}", "{}")
    target = stage.deploying(**START)
    with pytest.raises(Unavailable, match="is being started") as raised:
        target.deploy("k1", stage.tree(), None)
    assert raised.value.works
    with pytest.raises(Unavailable, match="is STARTING"):
        stage.deploying(**START).deploy("k1", stage.tree(), None)
    stage.where.pass_time(60)
    made = stage.deploying(**START).deploy("k1", stage.tree(), None)
    assert isinstance(made, Deployment)
    [start] = stage.where.called("POST", "/actions/start")
    assert start.body in ({}, b"{}")
    stage.where.pass_time(125)
    assert stage.deploying(**START).close(True) == (
        f"stopped {label}, which we had started; it ran 3 min 5 s",
    )
    assert stage.deploying(**START).close(True) == ()
    assert len(stage.where.called("POST", "/actions/stop")) == 1


@pytest.mark.slow
def test_a_cluster_that_somebody_else_started_is_not_stopped(stage: Stage) -> None:
    stage.stop_cluster()
    stage.sim.faults.add("POST */actions/start", "409", times=1)
    with pytest.raises(Unavailable):
        stage.deploying(**START).deploy("k1", stage.tree(), None)
    assert stage.deploying(**START).close(True) == ()


def test_the_clusters_of_a_job_are_looked_at_again_before_a_run(stage: Stage) -> None:
    made = stage.deployed()
    assert stage.deploying().ready(made) is None
    stage.stop_cluster()
    failure = stage.deploying().ready(made)
    assert failure is not None
    assert (failure.phase, failure.code, failure.started) == ("run", "CLUSTER_NOT_ACTIVE", False)
    with pytest.raises(Unavailable):
        stage.deploying(**START).ready(made)
    stage.where.pass_time(60)
    assert stage.deploying(**START).ready(made) is None

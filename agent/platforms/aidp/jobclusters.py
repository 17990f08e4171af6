"""The clusters that a job's definition names, looked up and written down in both of its places.

Every task that needs a cluster says which, and `jobClusters` lists them again; working clients send
both. A name must be the display name and a key must be that cluster's: a wrong one is accepted when
the job is made, and the run fails.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import Any, NamedTuple

from agent.document import At
from agent.platforms.aidp import clusters, schema
from agent.platforms.aidp.clusters import Cluster, Problem
from agent.platforms.aidp.jobrules import items
from agent.platforms.aidp.shapes import Wrong, called

_FIELDS = ("clusterKey", "clusterName")


class Found(NamedTuple):
    """What looking up came to."""

    used: tuple[Cluster, ...]
    """Clusters that tasks run on, in their order."""
    wrong: tuple[Wrong, ...]


def are_named(job: dict[str, Any]) -> bool:
    """Return whether a definition names clusters that are there, so that they must be looked up."""
    tasks = (task.get("cluster") for task in items(job, "tasks"))
    return any(_names_one(c) for c in (*tasks, *items(job, "jobClusters")))


def fill(job: dict[str, Any], said: dict[str, Any], there: tuple[Cluster, ...]) -> Found:
    """Write names and keys into a definition; `said` is the file's own, before it was made whole.

    What cannot be found is left as it is, and told.
    """
    used: dict[str, Cluster] = {}
    wrong: dict[str, Wrong] = {}
    own = items(said, "tasks")
    for i, task in enumerate(items(job, "tasks")):
        cluster = task.get("cluster")
        if task.get("type") not in schema.ON_CLUSTER or not isinstance(cluster, dict):
            continue
        who = f"of {called(task, i)} "
        if own[i].get("cluster") is None:  # the playbook's, and the same for all such tasks
            who = ""
        found = _find(cluster, ("tasks", i, "cluster"), who, there)
        if isinstance(found, Wrong):
            wrong.setdefault(found.message, found)
        elif found is not None:
            used[found.key] = found
            task["cluster"] = cluster | _both(found)
    _list(job, there, used, wrong)
    return Found(tuple(used.values()), tuple(wrong.values()))


def _list(
    job: dict[str, Any],
    there: tuple[Cluster, ...],
    used: dict[str, Cluster],
    wrong: dict[str, Wrong],
) -> None:
    """Complete the job's own list, and add what only tasks name."""
    listed: set[str] = set()
    made: list[Any] = []
    for i, cluster in enumerate(items(job, "jobClusters")):
        who = f"of jobClusters {i + 1} "
        found = _find(cluster, ("jobClusters", i), who, there) if _names_one(cluster) else None
        if isinstance(found, Wrong):
            wrong.setdefault(found.message, found)
        elif found is not None:
            listed.add(found.key)
        made.append(cluster | _both(found) if isinstance(found, Cluster) else cluster)
    made += [_both(cluster) for key, cluster in used.items() if key not in listed]
    if made:
        job["jobClusters"] = made


def _both(cluster: Cluster) -> dict[str, Any]:
    return {"clusterKey": cluster.key, "clusterName": cluster.name}


def _names_one(cluster: Any) -> bool:
    return isinstance(cluster, dict) and any(cluster.get(name) for name in _FIELDS)


def _find(
    cluster: dict[str, Any], at: At, who: str, there: tuple[Cluster, ...]
) -> Cluster | Wrong | None:
    """Return the cluster that is meant; None where a new one is to be made for the job."""
    name, key = cluster.get("clusterName"), cluster.get("clusterKey")
    if cluster.get("newCluster"):
        return None
    if not _names_one(cluster):
        said = f"cluster {who}names none; write clusterName: <display name>"
        return Wrong(at, said)
    if not isinstance(name or key, str):
        return None  # told as a wrong type already
    label = f"{'clusterName' if name else 'clusterKey'} {who}" if who else "aidp.cluster "
    found = (
        clusters.named(there, str(name), label.strip())
        if name
        else clusters.with_key(there, str(key), label.strip())
    )
    if isinstance(found, Problem):
        place = (*at, "clusterName" if name else "clusterKey")
        return Wrong(place, found.why, found.code)
    if key and found.key != key:
        other = next((f'cluster "{c.name}"' for c in there if c.key == key), "no cluster's key")
        said = f'clusterKey {who}is "{key}", which is {other}, not "{name}"; leave clusterKey out'
        return Wrong((*at, "clusterKey"), said)
    return found

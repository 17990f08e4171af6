"""Who may do what with a job or a cluster: kept, listed, given and taken away.

Rules kept here: whoever makes a thing has ADMIN on it; what somebody else is given shows in the
list. Only a change of a job's `runAs` looks at them (ADMIN).
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import wire
from agent.simulators.aidp.wire import Request, invalid

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "permission"
"""Documents `{"grants": {"USER ocid...": ["ADMIN"]}}` by `<kind>/<key>`."""
TYPES = ("USER", "ROLE", "GROUP")
LEVELS = ("READ", "USE", "MANAGE", "ADMIN")

Grants = dict[str, list[str]]


def own(sim: "Simulator", kind: str, key: str, user: str) -> None:
    """Give the maker of a thing everything."""
    _save(sim, kind, key, {f"USER {user}": ["ADMIN"]})


def forget(sim: "Simulator", kind: str, key: str) -> None:
    """Drop what was given on a thing that is gone."""
    sim.store.delete(KIND, f"{kind}/{key}")


def expect(sim: "Simulator", kind: str, key: str, user: str, level: str) -> None:
    """Raise `ApiError` 404 unless the user has that level on the thing."""
    if level not in _grants(sim, kind, key).get(f"USER {user}", ()):
        raise wire.missing()


def called(sim: "Simulator", who: str) -> str:
    """Return the name of a user; another's is not known, so it is the id."""
    return sim.user_name if who == sim.user_id else who


def listed(sim: "Simulator", kind: str, key: str) -> list[dict[str, Any]]:
    """Return the items of a list of permissions."""
    return [
        {
            "grantee": who,
            "granteeName": called(sim, who),
            "granteeType": sort,
            "granteePermissions": levels,
        }
        for (sort, _, who), levels in (
            (name.partition(" "), levels) for name, levels in _grants(sim, kind, key).items()
        )
    ]


def manage(sim: "Simulator", kind: str, key: str, request: Request, suffix: str) -> None:
    """Do what a managePermission says. `suffix`: `JobPermissionDetails` after assign or revoke.

    Raises `ApiError` (400) where it says neither, or a type or level that is not known.
    """
    given, taken = request.value(f"assign{suffix}"), request.value(f"revoke{suffix}")
    if not isinstance(given, dict) and not isinstance(taken, dict):
        raise invalid(f"assign{suffix} must not be null")
    grants = _grants(sim, kind, key)
    for name, levels in _wanted(given or {}):
        grants[name] = [one for one in LEVELS if one in {*grants.get(name, ()), *levels}]
    for name, levels in _wanted(taken or {}):
        left = [one for one in grants.pop(name, []) if one not in levels]
        grants |= {name: left} if left else {}
    _save(sim, kind, key, grants)


def _wanted(details: dict[str, Any]) -> list[tuple[str, list[str]]]:
    if not details:
        return []
    assignees = details.get("assignees")
    if not isinstance(assignees, dict) or assignees.get("type") not in TYPES:
        raise invalid(f"assignees.type must be one of {', '.join(TYPES)}")
    levels = details.get("permissions")
    if not isinstance(levels, list) or not levels or any(one not in LEVELS for one in levels):
        raise invalid(f"permissions must be some of {', '.join(LEVELS)}")
    targets = assignees.get("targets")
    if not isinstance(targets, list) or not targets:
        raise invalid("assignees.targets must not be empty")
    return [(f"{assignees['type']} {target}", levels) for target in targets]


def _grants(sim: "Simulator", kind: str, key: str) -> Grants:
    found = sim.store.get(KIND, f"{kind}/{key}")
    return dict(found["grants"]) if found is not None else {}


def _save(sim: "Simulator", kind: str, key: str, grants: Grants) -> None:
    sim.store.put(KIND, f"{kind}/{key}", {"grants": grants})

"""From versions of the code to iterations, with what came of each patch."""

from collections.abc import Sequence

from agent.report import words
from agent.report.fold import Version
from agent.report.story import FailureReport, Iteration, PatchReport


def of(versions: Sequence[Version], *, limit: int, why_none: str, going: bool) -> list[Iteration]:
    """Return one iteration per attempt to mend, at most `limit` (and at least one).

    `why_none` says why the last one has no patch; `going` is whether the case is still on its way.
    """
    told = [_with_outcome(v, versions[i + 1 :], going=going) for i, v in enumerate(versions)]
    joined = [told[0]]
    for version in told[1:]:
        if version.failures and len(joined) < max(1, limit):
            joined.append(version)
        else:
            joined[-1] = _join(joined[-1], version)
    last = len(joined)
    return [_iteration(n, v, why_none if n == last else "") for n, v in enumerate(joined, start=1)]


def _iteration(number: int, version: Version, why_none: str) -> Iteration:
    none = None
    if version.patch is None:
        none = _no_patch(version, why_none)
    return Iteration(
        number=number,
        runs=tuple(version.runs),
        failures=tuple(f.model_copy(update={"iteration": number}) for f in version.failures),
        diagnoses=tuple(version.diagnoses),
        reruns=tuple(version.reruns),
        superseded=tuple(version.superseded),
        patch=version.patch,
        no_patch=none,
        tried=tuple(version.tried),
    )


def _no_patch(version: Version, why_none: str) -> str:
    if not version.failures:
        return "nothing failed"
    if version.reruns and version.runs and version.runs[-1].state == "succeeded":
        return "running the same code again was enough"
    return why_none or "none was proposed"


def _join(first: Version, second: Version) -> Version:
    """Return the attempt with what came after its patch."""
    return Version(
        runs=first.runs + second.runs,
        failures=first.failures + second.failures,
        diagnoses=first.diagnoses + second.diagnoses,
        reruns=first.reruns + second.reruns,
        superseded=first.superseded
        + second.superseded
        + ([first.patch] if first.patch and second.patch else []),
        patch=second.patch or first.patch,
        tried=first.tried + second.tried,
    )


def _with_outcome(version: Version, later: Sequence[Version], *, going: bool) -> Version:
    """Return the version with what came of its patches in words."""
    patch = version.patch
    if patch is not None:
        patch = _set(patch, _outcome(patch, version, later[0] if later else None, going=going))
    return Version(
        runs=version.runs,
        failures=version.failures,
        diagnoses=version.diagnoses,
        reruns=[_set(r, _rerun_outcome(r, version, going=going)) for r in version.reruns],
        superseded=[
            _set(p, "edited by a person: the edited patch took its place")
            for p in version.superseded
        ],
        patch=patch,
        tried=version.tried,
    )


def _set(patch: PatchReport, outcome: str) -> PatchReport:
    return patch.model_copy(update={"outcome": outcome})


def _outcome(patch: PatchReport, version: Version, after: Version | None, *, going: bool) -> str:
    if not patch.approved:
        ended = patch.decision is None and not going
        return (
            "not deployed: the case ended before a decision"
            if ended
            else f"not deployed: {_state(patch)}"
        )
    if after is None or not (after.runs or after.failures):
        return "approved, not deployed yet" if going else "approved, but the case ended first"
    return _showed(version.failures, after.failures, after, going=going)


def _rerun_outcome(patch: PatchReport, version: Version, *, going: bool) -> str:
    """Return what the run after this rerun's approval showed."""
    since = patch.decision.at if patch.decision else patch.proposed_at
    before = [f for f in version.failures if f.at <= since]
    following = [r for r in version.runs if r.started >= since]
    nearest = min((f.at for f in version.failures if f.at > since), default=None)
    behind = [f for f in version.failures if f.at == nearest]
    if not following and not behind:
        return "approved, not started yet" if going else "approved, but the case ended first"
    return _showed(before, behind, Version(runs=following[:1]), going=going)


def _showed(
    before: Sequence[FailureReport],
    behind: Sequence[FailureReport],
    after: Version,
    *,
    going: bool,
) -> str:
    if behind:
        failures = "; ".join(words.cut(words.failed(f), 300) for f in behind[:3])
        more = f" and {len(behind) - 3} more" if len(behind) > 3 else ""
        same = {f.fingerprint for f in before} & {f.fingerprint for f in behind}
        return f"{'the same failure' if same else 'then another failure'}: {failures}{more}"
    run = after.runs[-1]
    if run.state == "running":
        return f"run {run.number} is running" if going else f"run {run.number} did not end"
    if run.state == "cancelled":
        return f"run {run.number} was cancelled"
    return f"run {run.number} succeeded; {words.checks(run.checks)}"


def _state(patch: PatchReport) -> str:
    return words.decided(patch)

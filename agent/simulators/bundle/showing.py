"""What `bundle validate` and `bundle summary` print."""

from typing import Any

from agent.simulators.bundle import resources, tree
from agent.simulators.bundle.bundle import Bundle
from agent.simulators.bundle.resources import KINDS
from agent.simulators.bundle.state import State

_TITLES = {"quality_monitors": "Quality Monitors", "registered_models": "Registered Models"}
_NAMES = ("name", "display_name", "title", "table_name")


def heading(bundle: Bundle) -> str:
    """Return the lines that both begin with."""
    lines = [f"Name: {bundle.text('bundle', 'name')}", f"Target: {bundle.target}", "Workspace:"]
    if bundle.text("workspace", "host"):
        lines.append(f"  Host: {bundle.text('workspace', 'host')}")
    lines += [f"  User: {bundle.me}", f"  Path: {bundle.root_path}"]
    return "\n".join(lines) + "\n"


def resolved(bundle: Bundle) -> dict[str, Any]:
    """Return the whole configuration as it would be deployed."""
    found = tree.plain(bundle.config)
    return {key: value for key, value in found.items() if value is not None}


def with_ids(bundle: Bundle, state: State | None) -> dict[str, Any]:
    """Return the configuration with what is deployed: `id`, `url`; the rest is `created` next."""
    found = resolved(bundle)
    for kind, group in (found.get("resources") or {}).items():
        for key, config in group.items():
            entry = state.resources.get(f"resources.{kind}.{key}") if state else None
            if entry is not None:
                config["id"] = entry["__id__"]
                config["url"] = resources.url(bundle.workspace, kind, str(entry["__id__"]))
            else:
                config["modified_status"] = "created"
    return found


def summary(bundle: Bundle, state: State | None) -> str:
    """Return the summary as it is printed for a person."""
    lines = []
    groups = sorted(kind for kind, group in bundle.config.items("resources") if group.value)
    for kind in groups:
        lines.append(f"  {_TITLES.get(kind, kind.replace('_', ' ').title())}:")
        for key, node in sorted(bundle.config.items("resources", kind)):
            entry = state.resources.get(f"resources.{kind}.{key}") if state else None
            name = next((text for field in _NAMES if (text := node.text(field))), "")
            url = "(not deployed)"
            if entry is not None and kind in KINDS:
                url = resources.url(bundle.workspace, kind, str(entry["__id__"]))
            lines += [f"    {key}:", f"      Name: {name}", f"      URL:  {url}"]
    return heading(bundle) + ("Resources:\n" + "\n".join(lines) + "\n" if lines else "")


def note_left_out(bundle: Bundle) -> None:
    """Say which of the bundle's wishes a deployment leaves out."""
    for kind, group in bundle.config.items("resources"):
        text = "runmend's stand-in does not deploy"
        if kind not in KINDS and group.value:
            where = ("resources", kind)
            bundle.notes.warn(f"{text} {kind}; they are left out", where, group.key)
        for key, node in bundle.config.items("resources", kind):
            if (grants := node.get("grants")) is not None:
                at = ("resources", kind, key, "grants")
                bundle.notes.warn(f"{text} grants; they are left out", at, grants.key)

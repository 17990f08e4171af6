"""Imports point down only, and starting costs nothing that is not needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

AGENT = Path(__file__).parents[1] / "agent"

LAYERS = (
    {"cli", "console", "prompt", "report"},
    {"cases"},
    {"learning", "runner", "deployment", "remedy", "drafts", "proof"},
    {"experience"},
    {"world"},
    {
        "journal",
        "platforms",
        "fixers",
        "workspace",
        "matrix",
        "approvals",
        "limits",
        "effects",
        "engine",
        "remote",
        "model",
        "simulators",
        "verdicts",
        "log",
    },
    {"machine"},
    {"events"},
    {"verification", "code", "playbook"},
    {
        "distributions",
        "records",
        "document",
    },
    {"redaction", "errors", "settings"},
)
BESIDE = {
    ("platforms", "remote"),  # what remote platforms share
    ("remote", "engine"),  # clean lines, files written in one step
    ("platforms", "engine"),  # the local platform runs tasks
    ("simulators", "engine"),  # simulated workspaces run tasks for real
    ("approvals", "limits"),  # the hard limits are part of deciding
    ("simulators", "model"),  # the scripted model speaks the model's own form
    ("console", "prompt"),
    ("cli", "console"),
    ("cli", "report"),
    ("runner", "remedy"),
    ("runner", "proof"),
    ("runner", "deployment"),
    ("deployment", "remedy"),
    ("deployment", "proof"),
    ("remedy", "drafts"),
    ("prompt", "remedy"),
    ("prompt", "drafts"),
    ("matrix", "fixers"),  # lint names unknown fixers
    ("report", "verdicts"),
}


def rank(name: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if name in layer)


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "agent":
            found |= {f"agent.{a.name}" for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {n.split(".")[1] for n in found if n.startswith("agent.")} - {"__version__"}


def test_every_module_has_its_layer() -> None:
    names = {p.stem for p in AGENT.glob("*.py")} | {
        p.parent.name for p in AGENT.glob("*/__init__.py")
    }
    assert names - {"__init__"} == set().union(*LAYERS)


def test_imports_point_down_only() -> None:
    wrong = []
    for path in AGENT.rglob("*.py"):
        here = path.relative_to(AGENT).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for there in imported(path) - {here}:
            if rank(there) > rank(here) or (here, there) in BESIDE:
                continue
            if rank(there) == rank(here) and rank(here) in (8, 9, 10):
                continue
            wrong.append(f"{path.relative_to(AGENT)} imports agent.{there}")
    assert wrong == []


@pytest.mark.parametrize(
    "name",
    [
        "oci",
        "databricks",
        "anthropic",
        "nbclient",
        "sqlglot",
        "duckdb",
        "rich",
        "structlog",
        "detect_secrets",
        "yaml",
    ],
)
def test_help_imports_nothing_heavy(name: str) -> None:
    code = (
        "import sys; sys.argv = ['runmend', '--help']\n"
        "from agent.cli import app\n"
        "app(standalone_mode=False)\n"
        f"sys.exit({name!r} in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

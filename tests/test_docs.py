"""The README says what the program does, and the other way round.

`python tests/test_docs.py` writes the generated parts of the README afresh.
"""

import re
import subprocess
import sys
from pathlib import Path

from agent import fixers, machine, platforms, settings
from agent.cli import app
from agent.verdicts import EXIT

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def generated() -> dict[str, str]:
    """Return each generated part of the README by the name of its markers."""
    variables = "\n".join(f"| `{n}` | {v.meaning} |" for n, v in settings.VARIABLES.items())
    return {
        "diagram": f"```mermaid\n{machine.diagram()}\n```",
        "variables": f"| variable | meaning |\n|---|---|\n{variables}",
    }


def part(text: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*)\n<!-- /{name} -->", text, re.DOTALL)
    assert found, f"README.md has no part {name}"
    return found[1]


def test_the_generated_parts_are_those_of_the_program() -> None:
    text = README.read_text()
    for name, wanted in generated().items():
        assert part(text, name) == wanted, f"write it afresh: python {__file__}"


def test_every_verdict_and_exit_code_is_in_the_table() -> None:
    rows = re.findall(r"^\| (\d[\d, ]*) \| ([a-z, ]*) ?\|", README.read_text(), re.MULTILINE)
    told = {
        verdict.strip(): int(codes.split(",")[0])
        for codes, verdicts in rows
        for verdict in verdicts.split(",")
        if verdict.strip()
    }
    assert told == dict(EXIT)
    assert {int(c) for codes, _ in rows for c in codes.split(",")} == {*EXIT.values(), 2, 143}


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    text = README.read_text()
    commands = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    commands |= {str(g.name) for g in app.registered_groups}
    told = set(re.findall(r"runmend ([a-z]+)\b", text))
    assert commands <= told | {"cases", "cancel", "undo"} | set(re.findall(r"`([a-z]+)`", text))
    assert told - commands <= {"is", "carries", "does", "and", "case", "runs", "on"}


def test_every_category_is_explained() -> None:
    from typing import get_args

    from agent.records import Category

    told = re.findall(r"^\| `([a-z_]+)` \|", part(README.read_text(), "categories"), re.MULTILINE)
    assert told == list(get_args(Category))


def test_every_fixer_and_platform_can_be_loaded() -> None:
    assert all(fixers.load(name) for name in fixers.names())
    assert platforms.names() == ("aidp", "databricks", "local")


def test_the_first_thing_the_readme_names_is_the_two_commands() -> None:
    block = README.read_text().split("```")[1]
    assert re.findall(r"^make (\w+)", block, re.MULTILINE) == ["demo", "test"]


def test_help_names_every_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from agent.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    text = " ".join(done.stdout.split())
    for code in {*EXIT.values(), 2, 143}:
        assert re.search(rf"\b{code}\b", text), code


def test_nothing_here_names_a_place_or_a_registry() -> None:
    done = subprocess.run(
        ["git", "-C", ROOT, "grep", "-nIE", r"(files\.pythonhosted|pypi\.(org|io))"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith("tests/test_docs.py")]
    assert lines == []


if __name__ == "__main__":
    fresh = README.read_text()
    for key, value in generated().items():
        old = f"<!-- {key} -->\n{part(fresh, key)}\n<!--"
        fresh = fresh.replace(old, f"<!-- {key} -->\n{value}\n<!--")
    README.write_text(fresh)

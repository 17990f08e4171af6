"""The report's files: what is in each, and how they reach the disk."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.events import AnyEvent
from agent.report.junit import junit
from agent.report.markdown import markdown
from agent.report.page import html
from agent.report.story import Step, Story
from agent.report.tell import Context, tell
from agent.report.words import undecided

FILES = {
    "html": "report.html",
    "markdown": "report.md",
    "json": "report.json",
    "junit": "junit.xml",
}
"""Format: name of its file in the case's folder."""
SUGGESTED = "suggested.patch"
"""Beside them in mode suggest: the patch that was not deployed."""
_NOTHING = Context()


def as_json(story: Story) -> str:
    """Return the story as one JSON object, ASCII only so that no terminal is fooled by it."""
    return json.dumps(story.model_dump(mode="json"), indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `as_json`; `report.schema.json` is a copy of it."""
    from pydantic.json_schema import GenerateJsonSchema

    class Whole(GenerateJsonSchema):
        """`as_json` writes every field, so readers may count on each."""

        def field_is_required(self, *_: object, **__: object) -> bool:
            return True

    found = Story.model_json_schema(mode="serialization", schema_generator=Whole)
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "runmend report"
    return found


def write(events: Sequence[AnyEvent], folder: Path, context: Context = _NOTHING) -> Story:
    """Write the report's files into the case's folder and return the story with their paths.

    Each file is replaced whole: a reader sees the old one or the new one. Raises `OSError`.
    """
    paths = {kind: str(folder / name) for kind, name in FILES.items()}
    story = tell(events, context)
    suggested = _suggested(story)
    if suggested:
        from agent.workspace.delivery import apply_command

        patch = folder / SUGGESTED
        _replace(patch, suggested)
        paths["patch"] = str(patch)
        command = apply_command(Path(story.source_path), patch.absolute())
        step = Step(command=command, why="take the suggestion over")
        story = tell(events, context._replace(steps=(step, *context.steps)))
    story = story.model_copy(update={"report": paths})
    rendered = {
        "html": html(story),
        "markdown": markdown(story),
        "json": as_json(story),
        "junit": junit(story),
    }
    for kind, name in FILES.items():
        _replace(folder / name, rendered[kind])
    return story


def _suggested(story: Story) -> str:
    """Return the diff that mode suggest leaves for a person, empty where there is none."""
    over = story.mode == "suggest" and story.verdict == "escalated"
    return "".join(patch.diff for patch in undecided(story)[-1:]) if over else ""


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise

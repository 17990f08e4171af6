"""What a model may say, and what of it may pass: a form, never an action.

Rules kept here: words that do not fit the form are a problem in words, for the one repair round; an
edit names a plain path that may be edited, hides nothing, and writes neither a mask nor what looks
like a secret. Whether edits apply, what they would do and who must agree is judged elsewhere.
"""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from agent.records import Edit, Record
from agent.redaction import has_mask, mask, printable


class SaidEdit(Record):
    """An edit in the model's words."""

    path: str
    old: str | None
    new: str | None


class Said(Record):
    """A whole answer. Every field is required: the service then holds the model to the form."""

    hypothesis: str
    action: Literal["patch", "files", "decline"]
    edits: tuple[SaidEdit, ...]
    files: tuple[str, ...]
    rationale: str
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def parse(text: str) -> Said | str:
    """Return the answer, or what is wrong with its form."""
    try:
        said = Said.model_validate_json(text)
    except ValidationError as error:
        found = [
            f"{'.'.join(map(str, e['loc'])) or 'the whole answer'}: {e['msg']}"
            for e in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        return "it is not the JSON object asked for: " + "; ".join(found[:5])
    if said.action == "patch" and not said.edits:
        return "the action is patch, but edits is empty"
    if said.action == "files" and not said.files:
        return "the action is files, but files is empty"
    return said


def sentence(text: str, limit: int = 600) -> str:
    """Return a model's words as one masked, printable line of at most `limit` characters."""
    words = " ".join(mask(printable(text)).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def edits_of(said: Said, read: Callable[[str], str | None]) -> tuple[Edit, ...]:
    """Return the edits; in a file with Windows line ends they get them, as the model saw none."""
    return tuple(_edit(edit, read(edit.path)) for edit in said.edits)


def _edit(edit: SaidEdit, text: str | None) -> Edit:
    if text is None or "\r\n" not in text or text.count("\r\n") != text.count("\n"):
        return Edit(path=edit.path, old=edit.old, new=edit.new)
    return Edit(path=edit.path, old=_windows(edit.old), new=_windows(edit.new))


def _windows(text: str | None) -> str | None:
    return None if text is None else text.replace("\r\n", "\n").replace("\n", "\r\n")


def objection(said: Said, editable: Callable[[str], bool]) -> str | None:
    """Return why the edits may not pass whatever they do, or None."""
    for edit in said.edits:
        why = _path_objection(edit.path, editable) or _text_objection(edit)
        if why:
            return f"{why}: {sentence(repr(edit.path), 200)}"
    return None


def _path_objection(path: str, editable: Callable[[str], bool]) -> str | None:
    plain = PurePosixPath(path)
    if (
        not path
        or plain.is_absolute()
        or ".." in plain.parts
        or plain.as_posix() != path
        or "\\" in path
        or path != printable(path)
        or any(c in path for c in "\n\t")
    ):
        return "not a plain path inside the tree"
    return None if editable(path) else "may not be edited, only files marked editable may"


def _text_objection(edit: SaidEdit) -> str | None:
    old, new = edit.old or "", edit.new or ""
    if edit.old == edit.new:
        return "changes nothing, old and new are the same"
    if edit.old == "":
        return "old is empty, quote the text to replace or use null for a new file"
    if _hidden(new) > _hidden(old):
        return "new holds characters that cannot be seen"
    if (has_mask(new) and not has_mask(old)) or _masks(new) > _masks(old):
        return "new holds a mask or what looks like a secret, and neither is ever written into code"
    return None


def _hidden(text: str) -> int:
    return sum(printable(c) != c for c in text.replace("\r\n", "\n"))


def _masks(text: str) -> int:
    return mask(text).count("[REDACTED:")

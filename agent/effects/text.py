"""What any text file's change may do, whatever its kind; and lists of requirements."""

import re
from collections.abc import Iterator

from agent import redaction
from agent.distributions import KNOWN, normal
from agent.effects.found import Found
from agent.records import Risk

_REQUIREMENT = re.compile(
    r"([A-Za-z0-9][\w.-]*)\s*(\[[\w,\s.-]*\])?\s*((?:[<>=!~]=?=?\s*[\w.*+!-]+\s*,?\s*)*)(?:;.*)?"
)
_OPTION_HARMLESS = ("-q", "-qq", "--quiet", "-U", "--upgrade", "--no-cache-dir", "-v")


def changes(before: str | None, after: str | None) -> Iterator[Found]:
    """Yield what the change of one file does as a text."""
    if after is None:
        yield Found("source_delete", "", "is deleted")
        return
    if before is not None and before.strip() and not after.strip():
        yield Found("file_emptied", "", "is emptied")
    yield from _bytes(before or "", after)
    if redaction.count_masks(after) > redaction.count_masks(before or ""):
        yield Found("mask_written", "", "would write the placeholder of a masked secret")
    if (line := _secret(before or "", after)) is not None:
        yield Found("secret_written", "", "holds a secret in clear text", line)
    if (line := _hidden(before or "", after)) is not None:
        yield Found("text_hidden", "", "holds characters that cannot be seen", line)


def _bytes(before: str, after: str) -> Iterator[Found]:
    if not before:
        return
    if before.startswith("\ufeff") != after.startswith("\ufeff") or (
        after.count("\ufffd") > before.count("\ufffd")
    ):
        yield Found("encoding_changed", "", "changes its encoding")
    if "\n" not in before or "\n" not in after:
        return
    if ("\r\n" in before) != ("\r\n" in after) or _bare(before) != _bare(after):
        yield Found("line_ends_changed", "", "changes its line ends")


def _bare(text: str) -> bool:
    """Return whether some lines end in a newline alone."""
    return text.count("\n") > text.count("\r\n")


def _secret(before: str, after: str) -> int | None:
    """Return the first new line that holds a secret, None where there is none."""
    known = set(before.splitlines())
    masked = redaction.mask(after).splitlines()
    for number, (line, plain) in enumerate(zip(masked, after.splitlines(), strict=False), start=1):
        new = redaction.count_masks(line) > redaction.count_masks(plain)
        if new and plain not in known:
            return number
    return None


def _hidden(before: str, after: str) -> int | None:
    known = set(before.splitlines())
    for number, line in enumerate(after.splitlines(), start=1):
        body = line.rstrip("\r").removeprefix("\ufeff" if number == 1 else "")
        if line not in known and redaction.printable(body) != body:
            return number
    return None


def dependency(requirement: str, line: int | None = None) -> Found:
    """Return the effect of adding one requirement: safe for a known distribution, named plainly."""
    found = _REQUIREMENT.fullmatch(requirement.strip())
    if found is not None and normal(found[1]) in KNOWN:
        name = normal(found[1])
        return Found("dependency_add", name, f"adds the known package {name}", line, risk=Risk.SAFE)
    said = f"adds {requirement.strip()[:80]}, which is not a known package by its name"
    return Found("dependency_add", requirement.strip(), said, line)


def requirements(before: str, after: str) -> Iterator[Found]:
    """Yield what a changed requirements file adds."""
    known = {line.split("#")[0].strip() for line in before.splitlines()}
    for number, line in enumerate(after.splitlines(), start=1):
        plain = line.split(" #")[0].strip()
        if plain and not plain.startswith("#") and plain not in known:
            if plain.startswith("-"):
                yield Found(
                    "dependency_add", plain, f"changes how packages are found: {plain}", number
                )
            else:
                yield dependency(plain, number)


def installed(words: list[str], line: int | None = None) -> Iterator[Found]:
    """Yield what `pip install` with these words adds."""
    for word in words:
        if word in _OPTION_HARMLESS:
            continue
        yield dependency(word.strip("'\""), line)

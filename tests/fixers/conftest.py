"""What the tests of fixers share."""

from collections.abc import Callable

import pytest

from agent.records import Edit


def _applied(files: dict[str, str], edits: tuple[Edit, ...]) -> dict[str, str]:
    after = dict(files)
    for edit in edits:
        assert edit.old is not None, "no fixer here makes a new file"
        assert edit.new is not None, "no fixer deletes a file"
        text = after[edit.path]
        assert text.count(edit.old) == 1, f"{edit.path}: {edit.old!r} is not unique"
        after[edit.path] = text.replace(edit.old, edit.new)
    return after


@pytest.fixture
def applied() -> Callable[[dict[str, str], tuple[Edit, ...]], dict[str, str]]:
    """Apply edits as the workspace does: each `old` exactly once, one after another."""
    return _applied

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

pytest.register_assert_rewrite("cli_stage")

from cli_stage import Stage, Terminal  # noqa: E402  after the rewrite is set up


class OnTerminal(Protocol):
    def __call__(self, *args: str | Path, **env: str) -> Terminal: ...


@pytest.fixture
def stage(tmp_path: Path, cache: Path) -> Stage:
    """A job folder and a state folder of one's own, environments shared by all tests."""
    return Stage(tmp_path, cache)


@pytest.fixture
def on_terminal(stage: Stage) -> Iterator[OnTerminal]:
    """Start commands on a terminal; what still runs at the end is ended."""
    begun: list[Terminal] = []

    def begin(*args: str | Path, **env: str) -> Terminal:
        begun.append(Terminal(stage, *args, **env))
        return begun[-1]

    yield begin
    for terminal in begun:
        terminal.close()

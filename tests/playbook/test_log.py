"""The log is off unless asked for, costs nothing then, and never tells a secret."""

import io
import json
import subprocess
import sys

import pytest

from agent.errors import UsageError
from agent.log import Log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(env: dict[str, str]) -> list[dict[str, str]]:
    stream = io.StringIO()
    log = Log(env, stream)
    log.debug("case.looked_at", case="c1")
    log.info("case.advanced", case="c1", state="run")
    log.error("platform.failed", note="password=hunter2secret \x1b[2J")
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_nothing_is_logged_unless_asked_for() -> None:
    assert lines({}) == lines({"RUNMEND_LOG": ""}) == lines({"RUNMEND_LOG": "off"}) == []


def test_a_line_is_json_with_its_data_as_keys() -> None:
    first, second = lines({"RUNMEND_LOG": "info"})
    assert (first["event"], first["case"], first["state"]) == ("case.advanced", "c1", "run")
    assert (first["level"], second["level"]) == ("info", "error")


def test_secrets_and_control_characters_are_masked() -> None:
    (line,) = lines({"RUNMEND_LOG": "error"})
    assert "hunter2secret" not in line["note"]
    assert "\x1b" not in line["note"]


def test_debug_tells_everything() -> None:
    assert len(lines({"RUNMEND_LOG": "debug"})) == 3


def test_an_unknown_level_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="there is debug, info, warning, error"):
        lines({"RUNMEND_LOG": "loud"})


def test_colour_is_for_terminals_that_want_it() -> None:
    texts = []
    for extra in ({}, {"NO_COLOR": "1"}):
        stream = Terminal()
        Log({"RUNMEND_LOG": "info", **extra}, stream).info("case.advanced", case="c1")
        texts.append(stream.getvalue())
    assert "\x1b[" in texts[0]
    assert "\x1b[" not in texts[1]
    assert "case.advanced" in texts[1]


def test_a_log_that_is_off_imports_nothing() -> None:
    code = (
        "import sys; from agent.log import log; log.info('a.b'); print('structlog' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}
    )
    assert done.stdout.strip() == "False"

"""Somebody sits there: a real terminal, asked once, answered by keys."""

from pathlib import Path
from typing import Protocol

import pytest
from cli_stage import LOST_FILE, SLOW, Stage, Terminal

ASKED = "[q]uit and decide later (expires "


class OnTerminal(Protocol):
    def __call__(self, *args: str | Path, **env: str) -> Terminal: ...


@pytest.fixture
def asked(stage: Stage, on_terminal: OnTerminal) -> Terminal:
    """A terminal on which the question about a patch is asked."""
    stage.lay("one", files=LOST_FILE)
    terminal = on_terminal("heal", stage.book)
    shown = terminal.await_text(ASKED)
    assert "open('data/in.csv')" in shown, "the diff is not shown"
    assert "fixer:relative_path" in shown
    return terminal


def test_approved_with_a_key_the_fix_is_proved(stage: Stage, asked: Terminal) -> None:
    asked.type("a\n")
    assert asked.wait() == 0
    assert "healed and verified" in asked.screen
    decision = stage.show(stage.case())["iterations"][0]["patch"]["decision"]
    assert decision["by"].startswith("ana@")


def test_rejected_with_a_reason(stage: Stage, asked: Terminal) -> None:
    asked.type("r\n")
    asked.await_text("reason")
    asked.type("not that file\n")
    assert asked.wait() == 4
    assert stage.show(stage.case())["reason"].endswith("not that file")


@pytest.mark.parametrize("answer", ["q\n", "\x04"], ids=["q", "end of input"])
def test_decided_later_exits_3(stage: Stage, asked: Terminal, answer: str) -> None:
    asked.type(answer)
    assert asked.wait() == 3
    assert "runmend approve" in asked.screen
    assert stage.show(stage.case())["verdict"] == "waiting"


def test_other_words_and_a_look_at_the_evidence_decide_nothing(asked: Terminal) -> None:
    for answer in ("yes\n", "abort\n", "a r\n"):
        asked.type(answer)
        asked.await_text(ASKED)
    asked.type("v\n")
    assert "No such file or directory: 'in.csv'" in asked.await_text(ASKED)
    asked.type("\n")
    assert asked.wait() == 3


def test_what_was_typed_before_the_question_is_no_answer(
    stage: Stage, on_terminal: OnTerminal
) -> None:
    stage.lay("slow", "one", files={"slow.py": SLOW, **LOST_FILE})
    terminal = on_terminal("heal", stage.book)
    stage.await_start()
    terminal.type("a\na\n")
    stage.go()
    terminal.await_text(ASKED)
    terminal.type("q\n")
    assert terminal.wait() == 3


def test_what_the_person_edits_is_shown_asked_for_and_deployed(
    stage: Stage, on_terminal: OnTerminal
) -> None:
    stage.lay("one", files={**LOST_FILE, "data/other.csv": "amount\n2\n"})
    editor = stage.root / "editor"
    editor.write_text('#!/bin/sh\nsed -i.bak s/in.csv/other.csv/ "$1"\n')
    editor.chmod(0o755)
    terminal = on_terminal("heal", stage.book, EDITOR=str(editor))
    terminal.await_text(ASKED)
    terminal.type("e\n")
    assert "open('data/other.csv')" in terminal.await_text(ASKED)
    terminal.type("a\n")
    assert terminal.wait() == 0
    iteration = stage.show(stage.case())["iterations"][0]
    assert iteration["patch"]["author"].startswith("person:ana@")
    assert [p["author"] for p in iteration["superseded"]] == ["fixer:relative_path"]


def test_a_person_who_is_not_listed_is_told_so_and_decides_nothing(
    stage: Stage, on_terminal: OnTerminal
) -> None:
    stage.lay("one", files=LOST_FILE, approve={"by": ["bob"]})
    terminal = on_terminal("heal", stage.book)
    terminal.await_text(ASKED)
    terminal.type("a\n")
    assert "may not decide" in terminal.await_text("bob")
    terminal.type("q\n")
    assert terminal.wait() == 3


def test_colour_is_there_and_goes_with_no_color(stage: Stage, on_terminal: OnTerminal) -> None:
    stage.lay("one", files=LOST_FILE)
    coloured = on_terminal("heal", stage.book)
    assert "\x1b[32m+print" in coloured.await_text(ASKED)
    coloured.type("q\n")
    coloured.wait()
    plain = on_terminal("heal", stage.book, NO_COLOR="1")
    shown = plain.await_text(ASKED)
    assert "+print" in shown
    assert "\x1b[3" not in shown
    plain.type("q\n")
    plain.wait()


def test_the_running_line_is_live(stage: Stage, on_terminal: OnTerminal) -> None:
    stage.lay("slow", files={"slow.py": "print('[Step 1/2] reading', flush=True)\n" + SLOW})
    terminal = on_terminal("heal", stage.book)
    terminal.await_text("[Step 1/2] reading")
    stage.go()
    assert terminal.wait() == 0
    assert "slow ok" in terminal.screen


def test_an_interrupt_from_the_keyboard_leaves_the_terminal_whole(
    stage: Stage, on_terminal: OnTerminal
) -> None:
    stage.lay("slow", files={"slow.py": SLOW})
    terminal = on_terminal("heal", stage.book)
    stage.await_start()
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert "\x1b[?25l" not in terminal.screen, "the cursor was hidden"
    assert "interrupted, can be resumed" in terminal.screen
    stage.go()
    assert stage.run("resume", stage.case()).code == 0


def test_control_characters_of_a_job_do_not_reach_the_terminal(
    stage: Stage, on_terminal: OnTerminal
) -> None:
    """Safety case 8."""
    loud = "raise RuntimeError('\\x1b[2J\\x1b]0;owned\\x07 \\u202e gone \\u200b')\n"
    stage.lay("one", files={"one.py": loud})
    terminal = on_terminal("heal", stage.book)
    assert terminal.wait() == 1
    assert "gone" in terminal.screen
    for code in ("\x1b[2J", "\x1b]0;", "\u202e", "\u200b"):
        assert code not in terminal.screen


def test_an_interrupt_at_the_question_decides_nothing(stage: Stage, asked: Terminal) -> None:
    asked.type("\x03")
    assert asked.wait() == 130
    assert stage.show(stage.case())["verdict"] == "waiting"

"""The kinds of lines that a log has, and what each weighs in a diagnosis.

Rules kept here: data, no logic; `structure` says which line is of which kind.
"""

from enum import Enum


class Kind(Enum):
    """A line's kind, with what it weighs in a diagnosis and how a person would call it."""

    FINAL = (30, "the final exception")
    EXCEPTION = (24, "an exception")
    ERROR = (20, "an error line")
    PLAIN = (14, "a line of text")
    LAST = (10, "the last thing that went wrong, though only warned of")
    INFO = (4, "an INFO line")
    CODE = (-24, "a line of code or a frame")
    WARN = (-26, "only a warning, or tried again")
    NOISE = (-100, "noise, or the consequence of something else")

    def __init__(self, weight: int, words: str) -> None:
        self.weight = weight
        self.words = words

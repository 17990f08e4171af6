"""What the simulated model says: ordered rules, the first that fits and is not used up answers.

    - when: "KeyError: 'amout'"     # text in the request's last message, or {regex: ...}; or always
      times: 1                      # unsaid: any number of times
      files: [transform.py]         # asks to see files
    - when: "def transform"
      edits: [{path: transform.py, old: amout, new: amount}]
      rationale: the column is amount
    - decline: the cause lies outside the code
    - text: not even JSON           # any text as the answer
    - status: 529                   # or 429, 500, 401 ...; with retry_after, seconds
    - delay: 30                     # seconds of silence; goes with any of the others
    - drip: 1                       # seconds before each piece of a streamed answer; with an answer
    - cut: true                     # stops in the middle at max_tokens; goes with an answer
    - refuse: cyber                 # a refusal, with its category
    - fault: disconnect             # or break_off, garble, page, stream_error

`in: request` matches against everything that was sent, the system prompt too.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from agent.errors import UsageError
from agent.records import Record

Fault = Literal["disconnect", "break_off", "garble", "page", "stream_error"]


class Regex(Record):
    """A pattern instead of a plain text."""

    regex: str

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a pattern: {error}") from error
        return value


class ScriptEdit(Record):
    """An edit as a model writes it."""

    path: str
    old: str | None
    new: str | None


class Rule(Record):
    """One rule: when it fits, and what is then said."""

    when: str | Regex | None = None
    where: Annotated[Literal["message", "request"], Field(alias="in")] = "message"
    times: Annotated[int, Field(ge=1)] | None = None
    edits: tuple[ScriptEdit, ...] | None = None
    files: tuple[str, ...] | None = None
    decline: str | None = None
    text: str | None = None
    hypothesis: str = "scripted"
    rationale: str = "scripted"
    confidence: float = 0.8
    delay: Annotated[float, Field(ge=0)] = 0.0
    """Seconds of silence before the answer."""
    drip: Annotated[float, Field(ge=0)] = 0.0
    """Seconds before each piece of a streamed answer."""
    status: Annotated[int, Field(ge=300, le=599)] | None = None
    retry_after: float | None = None
    location: str | None = None
    """Where a redirect (status 307) points."""
    message: str = "scripted"
    """The error's message, with `status`."""
    cut: bool = False
    refuse: str | None = None
    fault: Fault | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Rule":
        kinds = ("edits", "files", "decline", "text", "status", "refuse")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) > 1 or not (given or self.fault or self.delay or self.cut):
            raise ValueError(f"says one of {', '.join(kinds)}, or a fault; found {given or 'none'}")
        return self

    def fits(self, message: str, request: str) -> bool:
        """Return whether the rule is meant for this request."""
        text = message if self.where == "message" else request
        if isinstance(self.when, Regex):
            return re.search(self.when.regex, text) is not None
        return self.when is None or self.when in text

    def answer(self) -> str:
        """Return the text of the answer; a scripted patch, request or refusal in the typed form."""
        if self.text is not None:
            return self.text
        action = "patch" if self.edits is not None else "files" if self.files else "decline"
        return json.dumps(
            {
                "hypothesis": self.hypothesis,
                "action": action,
                "edits": [edit.model_dump() for edit in self.edits or ()],
                "files": self.files or (),
                "rationale": self.decline if self.decline is not None else self.rationale,
                "confidence": self.confidence,
            }
        )


NOTHING_FITS = Rule(decline="no rule of the script fits this request", confidence=0.0)

Script = Path | Sequence[Rule | Mapping[str, object]]


def read(script: Script) -> tuple[Rule, ...]:
    """Return the rules of a YAML or JSON file or of a list. Raises `UsageError` for a wrong one."""
    if not isinstance(script, Path):
        return _rules(script, "script")
    import yaml

    try:
        loaded = yaml.safe_load(script.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{script}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{script}: not YAML: {error}") from error
    if not isinstance(loaded, list):
        raise UsageError(f"{script}: found {type(loaded).__name__}, expected a list of rules")
    return _rules(loaded, str(script))


def _rules(script: Iterable[object], name: str) -> tuple[Rule, ...]:
    rules = []
    for number, rule in enumerate(script, 1):
        try:
            rules.append(_RULE.validate_python(rule))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(f"{name}: rule {number}: {where}: {first['msg']}") from error
    return tuple(rules)


_RULE = TypeAdapter(Rule)

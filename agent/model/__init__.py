"""The fixer that asks a model: evidence goes in, edits or a reason come out.

Rules kept here: a model has no tools, and what it says is data; all that leaves this package are
edits, which others judge, and words for the report. It may ask for files of the tree three times
and mend its answer once; then a person takes over. Only a spent budget is raised.
"""

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from agent import playbook
from agent.model.faults import hindrance
from agent.model.prompt import SYSTEM, Ask, Prompt
from agent.model.said import Said, edits_of, objection, parse, sentence
from agent.model.stream import Heard
from agent.model.wire import Connection, Message, Spend
from agent.records import Edit, Usage

__all__ = ["Answer", "Ask", "Spend", "hindrance", "propose"]

FILE_ROUNDS = 3
"""How often a model may ask for files."""
REPAIRS = 1
"""How often it may mend an answer that cannot be used."""

Check = Callable[[tuple[Edit, ...]], str | None]
"""Apply the edits to a copy; return why they do not apply or are refused, or None."""

_STOPPED = {
    "max_tokens": "the model's answer was cut at {max_tokens} tokens: raise model.max_tokens",
    "model_context_window_exceeded": "the request and its answer exceed what the model can hold",
    "refusal": "the model refused to answer",
}


class Answer(NamedTuple):
    """What came of asking."""

    edits: tuple[Edit, ...]
    """Empty where it declined or failed."""
    rationale: str
    confidence: float
    author: str
    """`model:<id>`."""
    reason: str
    """Why there is no patch, for the report; empty where there is one."""
    hypothesis: str
    """The best guess of the cause in one sentence; may be empty."""
    usage: Usage
    """All calls together."""


def propose(
    settings: playbook.Model,
    ask: Ask,
    spend: Spend,
    *,
    key: str,
    sleep: Callable[[float], object],
    check: Check,
) -> Answer:
    """Ask the model for a patch of these failures.

    `check` judges the edits before they are returned; what it says goes back to the model once.
    Raises `BudgetSpent` where the budget does not cover the worst case of the next call.
    """
    author = f"model:{settings.id}"
    why = hindrance(settings, key)
    if why is not None:
        return Answer((), "", 0.0, author, why, "", Usage())
    try:
        connection = Connection(settings, key, spend, sleep)
    except ValueError as error:
        why = f"the model provider {settings.provider} cannot be used: {sentence(str(error), 300)}"
        return Answer((), "", 0.0, author, why, "", Usage())
    with closing(connection):
        talk = _Talk(settings, ask, check, connection)
        reason = talk.go()
        said = talk.said
        hypothesis = sentence(said.hypothesis) if said else ""
        if reason is not None or said is None:
            return Answer((), "", 0.0, author, reason or "", hypothesis, connection.usage)
        rationale = sentence(said.rationale, 2_000)
        edits = edits_of(said, ask.read)
        return Answer(edits, rationale, said.confidence, author, "", hypothesis, connection.usage)


class _Talk:
    """One conversation about one patch."""

    def __init__(
        self, settings: playbook.Model, ask: Ask, check: Check, connection: Connection
    ) -> None:
        self._settings, self._ask, self._check = settings, ask, check
        self._connection = connection
        self._prompt = Prompt(ask)
        self._messages = [Message("user", self._prompt.opening())]
        self.said: Said | None = None
        """The last answer that kept the form."""

    def go(self) -> str | None:
        """Talk until there is a patch that passes `check`; return why there is none, or None."""
        rounds, repairs = FILE_ROUNDS, REPAIRS
        while True:
            heard = self._connection.ask(SYSTEM, self._messages)
            reason = heard if isinstance(heard, str) else self._stopped(heard)
            if reason is not None or isinstance(heard, str):
                return reason
            said = parse(heard.text)
            if isinstance(said, Said):
                self.said = said
                if said.action == "decline":
                    return f"the model declined: {sentence(said.rationale) or 'it did not say why'}"
                if said.action == "files" and rounds:
                    rounds -= 1
                    self._reply(heard, self._prompt.files(said.files, rounds))
                    continue
            problem = said if isinstance(said, str) else self._problem(said)
            if problem is None:
                return None
            if not repairs:
                return f"the model's answer could not be used, twice: {sentence(problem)}"
            repairs -= 1
            self._reply(heard, self._prompt.repair(problem))

    def _reply(self, heard: Heard, text: str) -> None:
        self._messages += [Message("assistant", heard.text), Message("user", text)]

    def _stopped(self, heard: Heard) -> str | None:
        """Return why an answer that ended is none, or None."""
        if heard.stop == "end_turn":
            return None if heard.text.strip() else "the model's answer is empty"
        known = _STOPPED.get(heard.stop or "", "the model stopped for a reason of its own: {stop}")
        words = known.format(max_tokens=self._settings.max_tokens, stop=sentence(heard.stop or ""))
        return f"{words} ({sentence(heard.category, 60)})" if heard.category else words

    def _problem(self, said: Said) -> str | None:
        if said.action == "files":
            return f"files were asked for more than {FILE_ROUNDS} times"
        return objection(said, self._ask.editable) or self._check(edits_of(said, self._ask.read))

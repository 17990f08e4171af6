"""A model that is asked through the real SDK, and closed again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import pytest
from model_asking import Asked, Consult, Purse, question

from agent.model import Answer, Ask, propose
from agent.playbook import Model
from agent.records import Edit, Usage
from agent.simulators.model import serve


@pytest.fixture
def consult() -> Iterator[Consult]:
    """Ask a scripted model; everything is closed at the end."""
    with ExitStack() as stack:

        def ask(
            *script: Mapping[str, object],
            about: Ask | None = None,
            purse: Purse | None = None,
            objections: Sequence[str | None] = (),
            timeout: float = 20.0,
            model: str = "claude-opus-5-5",
        ) -> Asked:
            server = stack.enter_context(serve(script))
            asked = Asked(
                Answer((), "", 0.0, "", "", "", Usage()), server, purse or Purse(), [], []
            )
            left = iter(objections)

            def check(edits: tuple[Edit, ...]) -> str | None:
                asked.checked.append(edits)
                return next(left, None)

            answer = propose(
                Model(id=model, base_url=server.base_url, timeout=timeout, max_tokens=2000),
                about or question(),
                asked.purse,
                key="test-key",
                sleep=asked.slept.append,
                check=check,
            )
            return asked._replace(answer=answer)

        yield ask

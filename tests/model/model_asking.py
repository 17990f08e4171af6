"""A failed job, a purse and a scripted model: what the tests of the model fixer share."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from agent.errors import BudgetSpent
from agent.model import Answer, Ask
from agent.playbook import Limits
from agent.records import Diagnosis, Edit, Facts, Failure, Line, Location, Usage
from agent.simulators.model import ModelServer

SOURCE = 'import json\n\nframe["total"] = frame["amout"] * 2\nprint(frame)\n'
TREE = {
    "transform.py": SOURCE,
    "load.sql": "insert into sales select * from staged\n",
    "job.yaml": "name: nightly\n",
    "tests/test_transform.py": "assert True\n",
    "conf/.env": "TOKEN=abc\n",
}
FIX = {"path": "transform.py", "old": '"amout"', "new": '"amount"'}
PATCH = {"edits": [FIX], "rationale": "the column is amount", "hypothesis": "a misspelt column"}


class Purse:
    """A budget in memory that keeps what it was told."""

    def __init__(self, limit_usd: float = 10.0) -> None:
        self.limit_usd = limit_usd
        self.held_usd = 0.0
        self.reserved: list[float] = []
        self.settled: list[Usage] = []

    def reserve(self, usd: float) -> None:
        if self.held_usd + usd > self.limit_usd:
            raise BudgetSpent(f"the next call may cost {usd:.2f}")
        self.held_usd += usd
        self.reserved.append(usd)

    def settle(self, reserved_usd: float, actual: Usage) -> None:
        self.held_usd += actual.cost_usd - reserved_usd
        self.settled.append(actual)


class Asked(NamedTuple):
    """A model that was asked, and all that can be seen from outside."""

    answer: Answer
    server: ModelServer
    purse: Purse
    slept: list[float]
    checked: list[tuple[Edit, ...]]


def failure(*log: str, message: str = "KeyError: 'amout'") -> Failure:
    return Failure(
        phase="run",
        code="FAILED",
        message=message,
        task="transform",
        exit_code=1,
        log=tuple(
            Line(source="transform stderr", number=n, text=text) for n, text in enumerate(log, 1)
        ),
        location=Location(path="transform.py", line=3),
        facts=Facts(task_file="transform.py", job_file="job.yaml"),
    )


def question(
    *log: str, tree: Mapping[str, str] = TREE, earlier: Sequence[str] = (), message: str = "boom"
) -> Ask:
    failed = failure(*(log or ("Traceback", "KeyError: 'amout'")), message=message)
    return Ask(
        failures=(failed,),
        diagnoses=(Diagnosis(verdict="not_determined", task="transform"),),
        files=tuple(sorted(tree)),
        editable=lambda path: not path.startswith("tests/"),
        read=tree.get,
        earlier=tuple(earlier),
        limits=Limits(),
    )


Consult = Callable[..., Asked]

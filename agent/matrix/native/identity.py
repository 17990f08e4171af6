"""An error's own name in the system that raised it: condition, class, ORA number, status.

Rules kept here: the message that a line belongs to is read as a whole, without the stack and the
plan below it; a condition, ORA- or AIDP number or API error code wins over the class of the
exception that carries it, the class over words, a bare status, exit code or signal come last;
qualified names are dotted and without quotes, one string each.
Sources: https://spark.apache.org/docs/latest/sql-error-conditions.html,
https://docs.databricks.com/aws/en/error-messages/error-classes
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from agent.matrix.logs.structure import Kind, Reading
from agent.matrix.native import raised, services
from agent.records import Identity

_LINES = 60
"""Longest message, lines."""
_CHARACTERS = 16_000
_NEAR = 400
"""How far from the line asked about the final exception may be to name it too, lines."""
_LOUD = (Kind.FINAL, Kind.EXCEPTION, Kind.ERROR)
_STOP = re.compile(
    r"^\s*(?:at [\w.$/<>@-]+\(|\.\.\. \d+ (?:more|common)|(?:\[\d+\] )?File [\"<~/]|Traceback|"
    r"Caused by|During handling|The above exception|JVM stacktrace|Driver stacktrace|-{10,}|"
    r"== (?:SQL|DataFrame)|!?'[A-Z]\w+\b|[+:]- |[A-Z]\w+ \[\w+#\d|\d{2,4}[-/]\d\d[-/T]|"
    r"Suppressed: |Sent to Lambda)"
)
_FRAMED = re.compile(
    r"^\s*(?:at [\w.$/<>@-]+\(|\.\.\. \d+ more|(?:\[\d+\] )?File |Traceback|Caused by|"
    r"\S*(?:Error|Exception): |\d{2,4}[-/]\d\d[-/])"
)
NATIVE, CLASS, BARE = 3, 2, 1
"""How much a name says."""


class Message(NamedTuple):
    """One message of a log: the line that starts it, and all of its text."""

    at: int
    """Index of the line that starts it."""
    head: str
    """That line."""
    text: str
    sparkish: bool
    """It, or what stands near it, is of Spark."""
    loud: bool
    """The line that starts it is an exception or an error."""
    name: str | None
    """The class that its traceback ends with, as written."""


class Named(NamedTuple):
    """An identity and how much its code says."""

    identity: Identity
    rank: int
    at: int = 0
    """Index of the line that starts the message."""


def of(reading: Reading, at: int | None) -> Identity | None:
    """Return the native name of the failure that the line `at` tells, or of the final exception.

    None where the text shows no name at all.
    """
    found = best(reading, at)
    return found.identity if found else None


def best(reading: Reading, at: int | None = None) -> Named | None:
    """Return the same with what it was found in."""
    found = _best(reading, (at, reading.final))
    if found is None or found.rank == BARE:
        other = _best(reading, _loudest(reading))
        if other is not None and (found is None or other.rank > found.rank):
            found = other
    return found


def _best(reading: Reading, indices: Iterable[int | None]) -> Named | None:
    best: Named | None = None
    first: int | None = None
    for at in indices:
        if at is None or (first is not None and (at == first or abs(at - first) > _NEAR)):
            continue
        first = at if first is None else first
        told = message(reading, at)
        got = named(told)
        if got is not None and (best is None or got.rank > best.rank):
            best = got._replace(at=told.at)
    return best


def _loudest(reading: Reading) -> Iterator[int]:
    """Yield the error lines worth asking where nothing better has a name, the last ones first."""
    loud = [at for at, kind in enumerate(reading.kinds) if kind in _LOUD]
    yield from loud[:-9:-1]
    if not loud:
        plain = [at for at, kind in enumerate(reading.kinds) if kind is Kind.PLAIN]
        yield from plain[:-17:-1]


def message(reading: Reading, at: int) -> Message:
    """Return the message that a line belongs to."""
    lines = [text.clean for text in reading.lines[max(at - _LINES, 0) : at + _LINES]]
    here = min(at, _LINES)
    kinds = reading.kinds[max(at - _LINES, 0) : at + _LINES]
    head = _head(lines, kinds, here)
    end = max(_stated(lines, head), head + 1)
    while end < len(lines) and not _ends(lines[end], kinds[end]):
        end += 1
    text = "\n".join(lines[head:end])[:_CHARACTERS]
    below = "\n".join(line[:300] for line in lines[end : end + 20])
    above = "\n".join(line[:300] for line in lines[max(head - 6, 0) : head])
    start = max(at - _LINES, 0) + head
    raised_here = (one.name for one in reading.traces.raised if one.at == start)
    return Message(
        at=start,
        head=lines[head],
        text=text,
        sparkish=bool(_SPARK.search(f"{above}\n{text}\n{below}")),
        loud=kinds[head] in _LOUD,
        name=next(raised_here, None),
    )


_SPARK = re.compile(
    r"(?i)org[./]apache[./]spark|pyspark|Py4J|io\.delta|AnalysisException|\bParseException|"
    r"Spark\w{0,40}(?:Exception|Error)|spark\.(?:sql|read|table|conf)|\bDelta(?:Log|Table|\w{0,40}Exception)|"
    r"StreamingQuery|in SQL statement|\bDataFrameReader|SQLSTATE"
)


def _head(lines: list[str], kinds: "Iterable[Kind]", here: int) -> int:
    """Return the index of the line that starts the message of the line `here`."""
    kept = list(kinds)
    at = here
    while at >= 0 and not (at < here and (_STOP.match(lines[at]) or kept[at] is Kind.CODE)):
        if kept[at] in (Kind.FINAL, Kind.EXCEPTION):
            return at
        at -= 1
    return here


def _stated(lines: list[str], head: int) -> int:
    """Return the end of a message that its SQLSTATE closes; 0 where none does."""
    for at, line in enumerate(lines[head:], head):
        if at > head and _FRAMED.match(line):
            return 0
        if " SQLSTATE: " in line:
            return at + 1
    return 0


def _ends(line: str, kind: Kind) -> bool:
    return kind in (Kind.FINAL, Kind.EXCEPTION, Kind.INFO, Kind.WARN) or bool(_STOP.match(line))


def named(told: Message) -> Named | None:
    """Return the name of one message, None where it has none."""
    from agent.matrix.native import spark

    carrier = raised.carried(told.head, told.name)
    found = spark.condition(told.text, sparkish=told.sparkish, loud=told.loud)
    if found is not None:
        before = raised.last_class(told.text[: found.start])
        carrier = carrier or raised.mentioned(told.head)
        exception = raised.short(carrier[0]) if carrier else None
        exception = exception if exception and "Lost task" in told.head else before or exception
        unknown = found.system == "databricks"
        return Named(
            Identity(
                system="spark" if unknown and _is_pyspark(exception) else found.system,
                code=found.code,
                sqlstate=found.sqlstate,
                exception=exception,
                parameters=plainly(found.parameters),
            ),
            NATIVE,
        )
    return _other(told, carrier)


def _is_pyspark(exception: str | None) -> bool:
    """Say whether a class is PySpark's own: what it carries is none of Databricks' conditions."""
    return exception is not None and exception.startswith("PySpark")


def _other(told: Message, carrier: tuple[str, str] | None) -> Named | None:
    exception = raised.short(carrier[0]) if carrier else None
    natives = (services.aidp, services.termination, services.clickhouse, services.api)
    if native := services.oracle(told.text[:4000]) or _first(natives, told):
        return Named(_identity(native, exception, told), NATIVE)
    if carrier is not None:
        return Named(_class(told, *carrier), CLASS)
    if native := _first((services.dbt, services.duckdb), told):
        return Named(_identity(native, None, told), CLASS)
    if mentioned := raised.mentioned(told.head):
        return Named(_class(told, *mentioned), CLASS)
    return _bare(told)


def _first(
    finders: Iterable[Callable[[str], services.Native | None]], told: Message
) -> services.Native | None:
    """Return what the first of these finds in a message's first line, else in all of it."""
    return next(
        (
            found
            for find in finders
            for text in (told.head, told.text)
            if (found := find(text[:4000]))
        ),
        None,
    )


def _bare(told: Message) -> Named | None:
    """Return a status, an exit code, a signal or an SQLSTATE that stands alone."""
    status = services.status(told.head)
    if "status" in status:
        return Named(Identity(system="http", code=status["status"], parameters=status), BARE)
    if native := services.process(told.head):
        return Named(_identity(native, None, told), BARE)
    shown = state(told.text)
    system = "spark" if told.sparkish else "sql"
    return Named(Identity(system=system, code=shown, sqlstate=shown), BARE) if shown else None


def _identity(native: services.Native, exception: str | None, told: Message) -> Identity:
    return Identity(
        system=native.system,
        code=native.code,
        sqlstate=native.sqlstate or state(told.text),
        exception=exception,
        parameters=plainly(native.parameters),
    )


def _class(told: Message, name: str, said: str) -> Identity:
    short = raised.short(name)
    system = raised.system(name, told.head)
    whole = said + told.text[len(told.head) :]
    given = {**services.status(told.text[:4000]), **raised.parameters(short, whole)}
    if "status" in given and system == "python":
        system = "http"
    if short in ("CalledProcessError", "SystemExit") or "Negsignal" in said:
        ended = services.process(told.head)
        given = {**(ended.parameters if ended else {}), **given}
    return Identity(
        system=system,
        code=short,
        sqlstate=state(told.text) or _driver_state(name),
        exception=short,
        parameters=plainly(given),
    )


def _driver_state(name: str) -> str | None:
    known = raised.SQLSTATES.get(raised.short(name))
    return known if known and re.search(r"psycopg|asyncpg|pg8000|redshift", name) else None


_STATE = re.compile(
    r"(?i)\bSQL ?STATE[\"']?\s{0,3}[:=(\[]?\s{0,3}[\"']?(?P<state>[0-9A-Z]{5})\b|"
    r"\b\d{6} \((?P<state2>[0-9A-Z]{5})\): "
)


def state(text: str) -> str | None:
    """Return the SQLSTATE that a text names."""
    found = _STATE.search(text)
    return (found["state"] or found["state2"]).upper() if found else None


def with_parameters(identity: Identity | None, more: dict[str, str]) -> Identity | None:
    """Return an identity that also has these parameters, where it has none of the name."""
    if identity is None or not more:
        return identity
    return identity.model_copy(update={"parameters": {**more, **identity.parameters}})


def plainly(parameters: dict[str, str]) -> dict[str, str]:
    """Return parameters without quotes, qualified names dotted, in one line each."""
    return {key: plain_name(" ".join(value.split())) for key, value in parameters.items()}


_PART = r"(?:`(?:[^`]|``)+`|\"[^\"]+\"|'[^']+'|[\w$#-]+)"
_QUALIFIED = re.compile(rf"{_PART}(?: ?\. ?{_PART})*")
_LIST = re.compile(rf"\[?\(?{_QUALIFIED.pattern}(?:\s*,\s*{_QUALIFIED.pattern})+\)?\]?")
_OPENING = re.compile(r"`((?:[^`]|``)+)`|\"([^\"]+)\"|'([^']+)'")


def plain_name(value: str) -> str:
    """Return a parameter's value without quotes; a qualified name dotted, a list with commas."""
    value = value.strip()
    if _QUALIFIED.fullmatch(value):
        return re.sub(r" ?\. ?(?=[`\"'])|(?<=[`\"']) ?\. ?", ".", _unquoted(value))
    if _LIST.fullmatch(value) and re.search("[`\"']", value):
        return _unquoted(value).strip("[]()")
    if (
        len(value) > 1
        and value[0] == value[-1]
        and value[0] in "`\"'"
        and value[0] not in value[1:-1]
    ):
        return value[1:-1]
    quotes = "`'\" "
    return value if re.search(r"[`\"']", value.strip(quotes)) else value.strip(quotes)


def _unquoted(value: str) -> str:
    dotted = re.sub(r"([`\"']) ?\. ?(?=[`\"'\w])|(?<=\w) ?\. ?(?=[`\"'])", r"\1.", value)
    return _OPENING.sub(lambda quoted: quoted[1] or quoted[2] or quoted[3], dotted)

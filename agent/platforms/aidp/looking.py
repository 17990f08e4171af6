"""A notebook that only looks: questions in, an answer each, as lines that survive the service.

Each answer is one printed line, base64 of JSON between the markers of `outputs`: stdout may come
back without its backslashes, and a cut output still gives the answers before the cut. The notebook
reads tables, runs statements that were judged to read only, and reads files that only a cluster
sees (`/Volumes/...`); it writes nothing.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from agent import redaction
from agent.platforms.aidp.outputs import BEGIN, END
from agent.remote import texts

_CODE = """\
import base64, gzip, hashlib, json, os

QUESTIONS = json.loads(base64.b64decode("{asked}"))


def plain(value):
    kept = value is None or isinstance(value, (bool, int, float, str))
    return value if kept else str(value)


def table(asked):
    found = {{"columns": list(spark.sql("SELECT * FROM " + asked["what"] + " LIMIT 0").columns)}}
    if asked["counted"]:
        count = "SELECT count(*) FROM " + asked["what"]
        found["rows"] = int(spark.sql(count).collect()[0][0])
        if found["rows"] <= {most}:
            summed = "SELECT cast(sum(pmod(xxhash64(*), 1000000007)) AS string) FROM "
            try:
                found["checksum"] = spark.sql(summed + asked["what"]).collect()[0][0] or "0"
            except Exception:
                pass  # a column that cannot be hashed
    return found


def sql(asked):
    frame = spark.sql(asked["what"])
    rows = frame.take(2)
    return {{"columns": list(frame.columns), "values": [[plain(v) for v in row] for row in rows]}}


def file(asked):
    if os.path.isdir(asked["what"]):
        return {{"folder": True}}
    size = os.path.getsize(asked["what"])
    found = {{"bytes": size}}
    if size <= {largest}:
        with open(asked["what"], "rb") as opened:
            content = opened.read()
        found["content"] = base64.b64encode(gzip.compress(content)).decode()
    return found


for asked in QUESTIONS:
    try:
        answer = {{"table": table, "sql": sql, "file": file}}[asked["kind"]](asked)
    except Exception as error:
        answer = {{"error": str(error)[:4000], "kind": type(error).__name__}}
    answer["id"] = asked["id"]
    said = base64.b64encode(json.dumps(answer).encode()).decode()
    print("{begin} " + said + " {end}")
"""
_SUMMED_ROWS = 1_000_000
_LARGEST = 1024 * 1024
"""Bytes of a file that come back whole."""
_DENIED = re.compile(
    r"denied|not authori[sz]ed|unauthori[sz]ed|forbidden|permission|privilege|42501", re.IGNORECASE
)
_KINDS = re.compile(
    r"(?:Analysis|Parse|Arithmetic|NumberFormat|DateTime|IllegalArgument|QueryExecution|"
    r"SparkRuntime|CapturedSpark)\w*Exception|FileNotFoundError|NotADirectoryError"
)
_CONDITION = re.compile(r"\[[A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*\]")


class Question(NamedTuple):
    """One thing to look at."""

    kind: Literal["table", "sql", "file"]
    what: str
    """A quoted table, a statement that only reads, or an absolute path."""
    counted: bool = True
    """Whether a table's rows are counted and summed."""


class Answer(NamedTuple):
    """What the cluster saw."""

    columns: tuple[str, ...] = ()
    rows: int | None = None
    checksum: str | None = None
    values: tuple[tuple[JsonValue, ...], ...] = ()
    """At most two rows of a statement, masked."""
    size_bytes: int | None = None
    content: bytes | None = None
    folder: bool = False


class NoAnswer(NamedTuple):
    """Why there is none."""

    why: str
    absent: bool = False
    """True where that is an answer too: what was asked for is not there, or does not hold."""


def notebook(questions: Sequence[Question]) -> bytes:
    """Return the notebook that asks, as `.ipynb`."""
    asked = [{"id": n, **one._asdict()} for n, one in enumerate(questions)]
    packed = base64.b64encode(json.dumps(asked).encode()).decode()
    words = {"asked": packed, "most": _SUMMED_ROWS, "largest": _LARGEST, "begin": BEGIN, "end": END}
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "look",
        "metadata": {},
        "outputs": [],
        "source": _CODE.format(**words).splitlines(keepends=True),
    }
    language = {"language_info": {"name": "python"}}
    found = {"cells": [cell], "metadata": language, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(found, indent=1).encode()


def digest(questions: Sequence[Question]) -> str:
    """Return 16 characters by which the same questions are known."""
    return hashlib.sha256(json.dumps([*map(list, questions)]).encode()).hexdigest()[:16]


def answers(found: Sequence[JsonValue], count: int) -> dict[int, Answer | NoAnswer]:
    """Return the answers by question, of what stood between the markers."""
    read: dict[int, Answer | NoAnswer] = {}
    for one in found:
        if isinstance(one, dict) and isinstance(number := one.get("id"), int) and number < count:
            read.setdefault(number, _answer(one))
    return read


def _answer(said: dict[str, Any]) -> Answer | NoAnswer:
    if "error" in said:
        words, kind = str(said["error"]), str(said.get("kind") or "")
        first = next((line for line in words.splitlines() if line.strip()), kind)
        known = bool(_KINDS.search(kind) or _CONDITION.search(words))
        return NoAnswer(texts.sentence(first), known and not _DENIED.search(words))
    values = said.get("values")
    rows, size, content = said.get("rows"), said.get("bytes"), said.get("content")
    return Answer(
        columns=tuple(texts.clean(str(name)) for name in said.get("columns") or ()),
        rows=rows if isinstance(rows, int) else None,
        checksum=str(said["checksum"]) if said.get("checksum") else None,
        values=tuple(tuple(_masked(v) for v in row) for row in values or ()),
        size_bytes=size if isinstance(size, int) else None,
        content=_content(content) if isinstance(content, str) else None,
        folder=said.get("folder") is True,
    )


def _masked(value: JsonValue) -> JsonValue:
    return redaction.mask_json(value)


def _content(packed: str) -> bytes | None:
    try:
        content = base64.b64decode(packed)
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, 2 * _LARGEST)
    except (ValueError, zlib.error):
        return None

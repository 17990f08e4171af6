"""Messages of Spark's conditions: benchmarks/conditions.py [FILE...] [--json FILE] [--show N]

One message per condition and carrier, built from the templates inside an installed pyspark (or
from the FILEs that `agent.matrix.native.conditions` takes; without any, from the table that runmend
has), with made-up values quoted as Spark quotes them. Counted is what `diagnose` says of each: the
condition with its sub-condition, and each parameter.
"""

import argparse
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agent import matrix
from agent.matrix.native import conditions, templates
from agent.matrix.native.conditions import Condition

_SLOT = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)>")
VALUES: Mapping[str, Sequence[tuple[str, str]]] = {
    "names": (("`main`.`gold`.`sales`", "main.gold.sales"), ("`order id`", "order id")),
    "columns": (("`o`.`amount`", "o.amount"), ("`net: amount, EUR`", "net: amount, EUR")),
    "types": (('"INT"', "INT"), ('"DECIMAL(10, 2)"', "DECIMAL(10, 2)")),
    "settings": (('"spark.sql.ansi.enabled"', "spark.sql.ansi.enabled"),),
    "lists": (("`id`, `day`, `amount`", "id, day, amount"), ("`a`.`x`, `b`.`y`", "a.x, b.y")),
    "numbers": (("3", "3"), ("1204", "1204"), ("-7", "-7")),
    "paths": (
        ("s3://lake/gold/sales/day=2026-07-01", "s3://lake/gold/sales/day=2026-07-01"),
        ("dbfs:/Volumes/main/raw/in.csv", "dbfs:/Volumes/main/raw/in.csv"),
    ),
    "expressions": (
        ('"(amount + CAST(day AS INT))"', "(amount + CAST(day AS INT))"),
        ('"sum(net) OVER (PARTITION BY id)"', "sum(net) OVER (PARTITION BY id)"),
    ),
    "values": (("'2026-13-01'", "2026-13-01"), ("'a, b: c [d]'", "a, b: c [d]")),
    "words": (("sales_2026", "sales_2026"), ("MERGE", "MERGE"), ("x1.y2", "x1.y2")),
}
"""What Spark fills in, by kind: as it is printed, and as a person writes it."""
_KINDS = (
    ("names", "relation|table|view|object|function|routine|schema|catalog|namespace|identifier"),
    ("lists", "list|columns|suggest|proposal|names$|fields|keys|options$"),
    ("columns", "col|field|attribute"),
    ("types", "type"),
    ("settings", "config|conf"),
    ("numbers", "num|count|length|size|version|index|position|limit|max|min|^n$|level|ordinal"),
    ("paths", "path|location|file|dir|uri|url"),
    ("expressions", "expr|sql|query|condition|predicate|plan"),
    ("values", "value|literal|input|str"),
)


class Message(NamedTuple):
    """What a failed task printed, and what it means."""

    condition: Condition
    text: str
    parameters: dict[str, str]


def messages(
    table: Mapping[str, tuple[Condition, ...]], carrier: str = "python", *, legacy: bool = True
) -> Iterator[Message]:
    """Yield a message of every condition that is raised itself, in one of the `CARRIERS`."""
    parents = {code.partition(".")[0] for code in table if "." in code}
    number = 0
    for code, group in table.items():
        if code in parents or (not legacy and "LEGACY" in code):
            continue
        for one in group:
            number += 1
            yield _message(one, carrier, number)


def _message(one: Condition, carrier: str, number: int) -> Message:
    shown: dict[str, str] = {}
    meant: dict[str, str] = {}
    for at, name in enumerate(templates.slots(one.template)):
        choices = VALUES[_kind(name)]
        shown[name], meant[name] = choices[(number + at) % len(choices)]
    # A template with its own quotes around a parameter gets the value without any.
    bare = {n for n in shown if re.search(rf"[`\"']<{n}>[`\"']", one.template)}
    filled = _SLOT.sub(lambda s: (meant if s[1] in bare else shown)[s[1]], one.template)
    return Message(one, CARRIERS[carrier](one, filled), meant)


def _kind(name: str) -> str:
    for kind, words in _KINDS:
        if re.search(words, name, re.IGNORECASE):
            return kind
    return "words"


def _named(one: Condition, filled: str, end: str = "") -> str:
    state = f" SQLSTATE: {one.sqlstate}" if one.sqlstate else ""
    return f"[{one.code}] {filled}{state}{end}"


def _in_python(one: Condition, filled: str) -> str:
    return (
        'Traceback (most recent call last):\n  File "/srv/etl/load.py", line 14, in main\n'
        '    frame = spark.sql(text)\n  File "/opt/spark/python/pyspark/errors/exceptions/captured'
        '.py", line 269, in deco\n    raise converted from None\n'
        f"pyspark.errors.exceptions.captured.AnalysisException: {_named(one, filled)}"
        f"{'; line 1 pos 7;' if one.sqlstate else ''}\n'Project [id#1]\n+- Relation "
        f"[id#1] parquet\n"
    )


def _in_java(one: Condition, filled: str) -> str:
    return (
        "py4j.protocol.Py4JJavaError: An error occurred while calling o72.save.\n"
        f": org.apache.spark.SparkException: {_named(one, filled)}\n"
        "\tat org.apache.spark.sql.errors.QueryExecutionErrors$.make(QueryExecutionError"
        "s.scala:1)\n"
        "\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
    )


def _bare(one: Condition, filled: str) -> str:
    return f"Error in SQL statement: AnalysisException: {_named(one, filled)}\n"


def _without_name(_: Condition, filled: str) -> str:
    return f"org.apache.spark.sql.AnalysisException: {filled}\n"


CARRIERS = {"python": _in_python, "java": _in_java, "bare": _bare, "text": _without_name}
"""`text` shows only the words of the template, as Spark prints its legacy conditions."""


def installed() -> Path | None:
    """Return the folder of an installed pyspark, None where there is none."""
    found = importlib.util.find_spec("pyspark")
    return Path(found.origin).parent if found and found.origin else None


def score(known: matrix.Matrix, made: Sequence[Message]) -> tuple[dict[str, float], list[str]]:
    """Return the shares that came out right, and a line for each message that did not."""
    named = right = total = 0
    wrong: list[str] = []
    for message in made:
        found = known.diagnose_text(message.text, "message").identity
        code = found.code if found else None
        named += code == message.condition.code
        got = found.parameters if found else {}
        off = {n: got.get(n) for n, v in message.parameters.items() if got.get(n) != v}
        total += len(message.parameters)
        right += len(message.parameters) - len(off)
        if off or code != message.condition.code:
            wrong.append(f"{message.condition.code} {code} {off}\n    {message.condition.template}")
    count = len(made) or 1
    return {
        "messages": count,
        "conditions": named / count,
        "parameters": right / (total or 1),
    }, wrong


def main() -> int:
    """Print a row per carrier."""
    parser = argparse.ArgumentParser(description="How well Spark's conditions are named.")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--json", type=Path, help="Write the numbers here.")
    parser.add_argument("--show", type=int, default=0, help="Show this many wrong ones a carrier.")
    parser.add_argument("--carrier", choices=list(CARRIERS), action="append")
    given = parser.parse_args()
    found = installed()
    files = given.files or ([found] if found else [])
    table = conditions.grouped(conditions.read(files)) if files else conditions.table()
    known = matrix.load()
    rows: dict[str, dict[str, float]] = {}
    for carrier in given.carrier or CARRIERS:
        rows[carrier], wrong = score(known, list(messages(table, carrier)))
        cells = "".join(f"{rows[carrier][key]:>12.4f}" for key in ("conditions", "parameters"))
        print(f"{carrier:10}{rows[carrier]['messages']:>8.0f}{cells}")
        print("\n".join(wrong[: given.show]))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Lines that were folded into one: JSON records, escaped line feeds, progress bars, HTML breaks.

Rules kept here: what is not folded comes back as it is; nothing that a record says is left out; a
trace that a record gives as data is written as Python writes it.
Sources: https://nbformat.readthedocs.io/en/latest/format_description.html,
https://www.structlog.org/en/stable/api.html#structlog.tracebacks.ExceptionDictTransformer
"""

import json
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

_SIGNS = ("rror", "xception", "raceback", "\\tat ", "Interrupt", "Exit", "ailed")
_DATA = ("exc_type", "ename", "stacktrace", "stack_trace", "traceback", "exc_info", "exception")
_FEED = re.compile(r"\\+r?\\*n(?!\w+\\(?![nrt\"'\\]))")
_BREAK = re.compile(r"<br ?/?>", re.I)
_INLINE = re.compile(
    r"(?<!\s)\s+(?=File \"[^\"]{1,400}\", line \d{1,9}, in \S|"
    r"at [\w.$/<>@-]{3,300}\((?:[\w$-]{1,80}\.(?:java|scala|kt):\d|"
    r"Native Method\)|Unknown Source\)))|"
    r"(?<=\)) +(?=Caused by: )"
)
"""Where a trace that was written in one line goes on with a frame."""
_INLINE_FRAME = re.compile(r"(?P<frame>File \"[^\"]+\", line \d+, in \S+)\s*(?P<code>.*)")
_INLINE_CLASS = re.compile(r"(?<!\s)\s+(?=(?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{1,80}: )")
_STEPS = 200
"""States of a progress bar that are read, the last ones."""
_PARTS = 2000
"""Parts of one record that are read."""


def unfolded(line: str, depth: int = 0) -> Iterator[str]:
    """Yield the lines that one line holds; the line itself where it holds no others."""
    for step in _steps(line):
        found = list(_recorded(step, depth)) if depth < 4 and _is_record(step) else []
        if found:
            yield from found
        else:
            yield from _split(step)


def _steps(line: str) -> list[str]:
    if "\r" in line:
        told = [step for step in line.split("\r") if step.strip()]
        return told[-_STEPS:] or [""]
    return [line]


def _split(line: str) -> Iterator[str]:
    if "<br" in line or "<BR" in line:
        parts = [part for part in _BREAK.split(line) if part.strip()]
        for part in parts or [""]:
            yield from _split(part) if "<br" not in part.lower() else (part,)
    elif "\\n" in line and any(sign in line for sign in _SIGNS):
        for part in _FEED.split(line):
            yield part.replace('\\"', '"').replace("\\'", "'").replace("\\t", "\t")
    elif line.count('File "') > 1 or line.count(" at ") > 1:
        yield from _inline(line)
    else:
        yield line


def _inline(line: str) -> Iterator[str]:
    """Yield the lines of a trace whose line feeds were lost; the line itself where it is none."""
    first, *rest = _INLINE.split(line)
    if len(rest) < 2:
        yield line
        return
    yield first
    for part in rest:
        if found := _INLINE_FRAME.match(part):
            code, *told = _INLINE_CLASS.split(found["code"], maxsplit=1)
            yield f"  {found['frame']}"
            if code:
                yield f"    {code}"
            yield from told
        else:
            yield part if part.startswith("Caused by") else f"\t{part}"


def _is_record(line: str) -> bool:
    told = line.strip()
    return (
        told[:1] in ("{", "[", '"')
        and told[-1:] in ("}", "]", '"', ",")
        and ("\\n" in told or "\\u001b" in told or any(f'"{key}"' in told for key in _DATA))
    )


def _recorded(line: str, depth: int) -> Iterator[str]:
    """Yield what a JSON record says, line by line; nothing where it is none."""
    try:
        data = json.loads(line.strip().rstrip(","))
    except (JSONDecodeError, RecursionError):
        return
    told: list[str] = []
    rest = _taken_out(data, told, 0)
    if rest not in ({}, [], None, ""):
        yield json.dumps(rest, ensure_ascii=False)
    for text in told[:_PARTS]:
        for part in text.split("\n"):
            yield from unfolded(part, depth + 1)


def _taken_out(data: Any, told: list[str], depth: int) -> Any:
    """Return a record without its texts of several lines and its traces, which go to `told`."""
    if isinstance(data, str):
        if "\n" in data or "\x1b" in data or "\\n" in data:
            told.append(data)
            return None
        return data
    if depth > 20 or not isinstance(data, (dict, list)):
        return data
    if isinstance(data, list):
        return _kept_items(data, told, depth)
    trace = [] if "frames" not in data else _frames(data["frames"])
    if trace:
        told.append("Traceback (most recent call last):")
        told += trace
        data = {key: value for key, value in data.items() if key != "frames"}
    if isinstance(data.get("exc_type"), str):
        told.append(f"{data['exc_type']}: {data.get('exc_value') or ''}".rstrip(": "))
        data = {key: value for key, value in data.items() if key not in ("exc_type", "exc_value")}
    kept = {key: _taken_out(value, told, depth + 1) for key, value in data.items()}
    return {key: value for key, value in kept.items() if value not in (None, [], {})}


def _kept_items(data: list[Any], told: list[str], depth: int) -> Any:
    if trace := _frames(data):
        told += trace
        return None
    if data and all(isinstance(one, str) for one in data) and _is_trace(data):
        told += [text.rstrip("\n") for text in data]
        return None
    kept = [_taken_out(one, told, depth + 1) for one in data]
    return [one for one in kept if one is not None]


def _is_trace(texts: list[Any]) -> bool:
    return any("Traceback" in text or "\x1b[" in text or '  File "' in text for text in texts)


def _frames(data: Any) -> list[str]:
    """Return a trace given as data as Python or Java writes it; nothing where it is none."""
    if not isinstance(data, list):
        return []
    found = [_frame(one) for one in data if isinstance(one, dict)]
    return [one for one in found if one is not None] if found and len(found) == len(data) else []


def _frame(one: dict[str, Any]) -> str | None:
    path = one.get("filename") or one.get("file") or one.get("path") or one.get("fileName")
    line = one.get("lineno") or one.get("line") or one.get("lineNumber")
    name = one.get("name") or one.get("method") or one.get("function") or one.get("methodName")
    owner = one.get("class") or one.get("className") or one.get("declaringClass")
    if not isinstance(path, str) or not str(line or "").isdigit():
        return None
    if owner:
        return f"\tat {owner}.{name}({path}:{line})"
    return f'  File "{path}", line {line}, in {name or "?"}'

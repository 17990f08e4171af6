"""Notebooks as source text and as .ipynb, and from one to the other.

Source: https://docs.databricks.com/aws/en/notebooks/notebook-export-import
"""

import json
import re
from typing import Literal, NamedTuple

Language = Literal["PYTHON", "SQL", "SCALA", "R"]
LANGUAGES: tuple[Language, ...] = ("PYTHON", "SQL", "SCALA", "R")
_EXTENSIONS: dict[str, Language] = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R"}
_COMMENTS: dict[Language, str] = {"PYTHON": "#", "SQL": "--", "SCALA": "//", "R": "#"}
_TITLE = "Databricks notebook source"
_CELL = "COMMAND ----------"
_MAGICS: dict[Language, str] = {"PYTHON": "python", "SQL": "sql", "SCALA": "scala", "R": "r"}


class Form(NamedTuple):
    """What a notebook's file is."""

    language: Language
    jupyter: bool


def extension_language(path: str) -> Language | None:
    """Return the language that a file's name stands for, or None."""
    dot = path.rfind(".")
    return _EXTENSIONS.get(path[dot:].lower()) if dot > path.rfind("/") else None


def recognise(path: str, content: bytes) -> Form | None:
    """Return the form of a notebook's file; None where it is no notebook but a plain file."""
    if path.lower().endswith(".ipynb"):
        return Form(ipynb_language(content), jupyter=True)
    language = extension_language(path)
    if language is None:
        return None
    first = content.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    return Form(language, jupyter=False) if first == _header(language) else None


def strip_extension(path: str) -> str:
    """Return a notebook's path as the workspace shows it."""
    return re.sub(r"\.(py|sql|scala|r|ipynb)$", "", path, flags=re.IGNORECASE)


def ipynb_language(content: bytes) -> Language:
    """Return the kernel's language; Python where the file does not say."""
    try:
        metadata = json.loads(content).get("metadata", {})
        name = metadata.get("language_info", {}).get("name") or metadata["kernelspec"]["language"]
    except (ValueError, AttributeError, KeyError):
        return "PYTHON"
    return next((known for known in _COMMENTS if known == str(name).upper()), "PYTHON")


def titled(text: str, language: Language) -> str:
    """Return source text with the first line that an export has."""
    header = _header(language)
    return text if text.split("\n", 1)[0].strip() == header else f"{header}\n{text}"


def to_source(content: bytes, language: Language) -> str:
    """Return an .ipynb as source text. Raises `ValueError` where it is not JSON with cells."""
    comment = _COMMENTS[language]
    cells = json.loads(content)["cells"]
    texts = []
    for cell in cells:
        source = cell["source"]
        code = source if isinstance(source, str) else "".join(source)
        if cell["cell_type"] == "markdown":
            code = f"%md\n{code}"
        if code.lstrip().startswith("%"):
            code = "\n".join(f"{comment} MAGIC {line}".rstrip() for line in code.split("\n"))
        texts.append(code)
    return f"{_header(language)}\n" + f"\n\n{comment} {_CELL}\n\n".join(texts) + "\n"


def to_jupyter(text: str, language: Language, name: str) -> bytes:
    """Return source text as an .ipynb without outputs."""
    comment = _COMMENTS[language]
    body = titled(text, language).split("\n", 1)[1] if "\n" in titled(text, language) else ""
    parts = re.split(rf"(?m)^{comment} COMMAND -+[ \t]*$", body)
    cells = [_cell(part.strip("\n"), comment) for part in parts]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {
        "application/vnd.databricks.v1+notebook": {"notebookName": name, "language": language},
        "kernelspec": kernel,
        "language_info": {"name": _MAGICS[language]},
    }
    document = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 0}
    return json.dumps(document, indent=1).encode()


def _cell(text: str, comment: str) -> dict[str, object]:
    magic = re.compile(rf"^{comment} MAGIC ?")
    lines = text.split("\n")
    if all(magic.match(line) for line in lines):
        lines = [magic.sub("", line) for line in lines]
    if lines[0].strip() == "%md":
        source = "\n".join(lines[1:])
        return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(True)}
    source = "\n".join(lines)
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source.splitlines(True),
    }


def _header(language: Language) -> str:
    return f"{_COMMENTS[language]} {_TITLE}"

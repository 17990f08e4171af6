"""A cell knows where each of its characters is in the file."""

import json

from hypothesis import given
from hypothesis import strategies as st

from agent.code import cells, edits


def notebook(*sources: object) -> str:
    listed = [
        {"cell_type": "code", "metadata": {"source": ["no"]}, "outputs": [], "source": source}
        for source in sources
    ]
    return json.dumps({"metadata": {"cells": [{"source": ["no"]}]}, "cells": listed}, indent=1)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30), st.booleans())
def test_a_change_in_a_notebooks_cell_is_a_change_of_its_code(code: str, as_lines: bool) -> None:
    text = notebook("x = 1", code.splitlines(keepends=True) if as_lines else code)
    if code.lstrip().startswith("%"):
        return
    cell = cells.read("a.ipynb", text)[1]
    assert len(cell.text) == len(cell.starts) == len(cell.ends) == len(code)
    change = cell.change(0, 1, 'new"\n')
    found = json.loads(edits.apply(text, [change]))["cells"][1]["source"]
    assert "".join(found) == 'new"\n' + code[1:]


def test_magics_and_shell_lines_become_comments_of_the_same_length() -> None:
    (cell,) = cells.read("a.ipynb", notebook("%pip install x\n!ls\ny = 5 % 3\n"))
    assert cell.text == "#pip install x\n#ls\ny = 5 % 3\n"


def test_sql_cells_are_found_in_both_kinds_of_notebooks() -> None:
    (cell,) = cells.read("a.ipynb", notebook(["%%sql\n", "select 1"]))
    assert (cell.language, cell.text.strip()) == ("sql", "select 1")
    source = "# Databricks notebook source\n# MAGIC %sql\n# MAGIC select 1\n"
    python, sql = cells.read("a.py", source)
    assert (python.language, sql.language, sql.text.strip()) == ("python", "sql", "select 1")
    assert edits.apply(source, [sql.change(5, 11, "SELECT")]).endswith("# MAGIC SELECT 1\n")


def test_other_languages_and_broken_notebooks_have_no_cells() -> None:
    assert cells.read("a.ipynb", notebook("%%bash\nls")) == ()
    assert cells.read("a.ipynb", '{"cells": [') == ()
    assert cells.read("a.ipynb", "[" * 100_000) == ()
    assert cells.read("notes.md", "x = 1") == ()

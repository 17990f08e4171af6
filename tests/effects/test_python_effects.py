"""What a change of Python code does, read from the code; damage in any disguise is found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import effects
from agent.records import Effect, Risk

SCRIPT = """\
import dlt
import pandas as pd

frame = pd.read_csv("data/sales.csv")
frame = frame.rename(columns={"a": "b"})
frame = frame[frame["amout"] > 0]
if frame.empty:
    raise ValueError("no sales")
assert len(frame) < 1000
frame.write.mode("append").option("checkpointLocation", "/c/1").saveAsTable("main.gold.sales")
total = frame.groupby("day").agg(total=("amout", "sum"))
print({"status": state, "failed": len(bad)})

@dlt.expect_or_fail("id", "id is not null")
def gold():
    return total
"""


def change(after: str, before: str = SCRIPT, path: str = "transform.py") -> tuple[Effect, ...]:
    return effects.of_change(path, before, after)


def risk(found: tuple[Effect, ...]) -> Risk:
    return max((effect.risk for effect in found), default=Risk.SAFE)


def kinds(found: tuple[Effect, ...]) -> set[str]:
    return {effect.kind for effect in found}


HARMLESS = {
    "a renamed column": SCRIPT.replace("amout", "amount"),
    "another file that is read": SCRIPT.replace("data/sales.csv", "data/2026/sales.csv"),
    "a new column": SCRIPT.replace("total =", 'frame["x"] = frame["amout"] * 1.2\ntotal ='),
    "an import": "import json\nfrom datetime import date\nimport numpy as np\n" + SCRIPT,
    "a comment": SCRIPT + "# DROP TABLE sales; os.remove('x')\n",
    "a text that is printed": SCRIPT + 'print("drop table x")\n',
    "a folder that is made": SCRIPT
    + "from pathlib import Path\nPath('out').mkdir(exist_ok=True)\n",
    "a parameter": SCRIPT + 'day = dbutils.widgets.get("day")\n',
    "an argument": SCRIPT + "import argparse\np = argparse.ArgumentParser()\np.parse_args()\n",
    "a cast": SCRIPT.replace('"amout", "sum"', '"amout", "mean"'),
    "a function": SCRIPT + "def twice(x):\n    return x * 2\n\nprint(twice(2))\n",
}


@pytest.mark.parametrize("after", HARMLESS.values(), ids=HARMLESS)
def test_a_harmless_change_has_no_effect(after: str) -> None:
    assert change(after) == ()


def test_nothing_changed_has_no_effect() -> None:
    assert change(SCRIPT) == ()


DESTRUCTIVE = {
    "12 overwrite instead of append": (
        SCRIPT.replace('"append"', '"overwrite"'),
        "table_overwrite",
    ),
    "12 overwrite through a variable": (
        SCRIPT.replace('.mode("append")', ".mode(m)").replace("import dlt", 'm = "over" + "write"'),
        "table_overwrite",
    ),
    "12 overwrite on one branch": (
        SCRIPT.replace('"append"', '"overwrite" if total else "append"'),
        "table_overwrite",
    ),
    "13 overwriteSchema": (
        SCRIPT.replace('.mode("append")', '.mode("append").option("overwriteSchema", "true")'),
        "table_overwrite",
    ),
    "11 drop in SQL": (SCRIPT + 'spark.sql("DROP TABLE main.gold.sales")\n', "table_drop"),
    "25 drop in an f-string": (
        SCRIPT + 't = "x"\nspark.sql(f"DROP TABLE {t}")\n',
        "table_drop",
    ),
    "25 drop of what is not known": (SCRIPT + 'spark.sql("DROP TABLE " + name)\n', "table_drop"),
    "25 drop put together": (SCRIPT + 'd = "DR"\nspark.sql(d + "OP TABLE x")\n', "table_drop"),
    "25 drop with a percent sign": (SCRIPT + 'con.execute("DROP TABLE %s" % t)\n', "table_drop"),
    "11 truncate": (SCRIPT + 'con.execute("truncate table x")\n', "table_truncate"),
    "11 delete": (SCRIPT + 'con.execute("delete  from x")\n', "rows_delete"),  # noqa: S608 - judged, not run
    "11 delete by the API": (SCRIPT + 'DeltaTable.forName(spark, "x").delete()\n', "rows_delete"),
    "14 vacuum": (SCRIPT + 'DeltaTable.forName(spark, "x").vacuum(0)\n', "vacuum"),
    "14 vacuum in SQL": (SCRIPT + 'spark.sql("VACUUM x RETAIN 0 HOURS")\n', "vacuum"),
    "15 grant": (
        SCRIPT + 'spark.sql("GRANT ALL PRIVILEGES ON x TO `account users`")\n',
        "grant_change",
    ),
    "17 another checkpoint": (SCRIPT.replace("/c/1", "/c/2"), "checkpoint_change"),
    "17 a deleted checkpoint": (SCRIPT + 'dbutils.fs.rm("/c/1", True)\n', "file_delete"),
    "16 full refresh": (SCRIPT + "run(full_refresh=True)\n", "full_refresh"),
    "23 another catalog": (SCRIPT + 'spark.sql("USE CATALOG prod")\n', "target_change"),
    "25 getattr": (SCRIPT + 'import os\ngetattr(os, "rem" + "ove")("x")\n', "file_delete"),
    "25 another name": (SCRIPT + 'from shutil import rmtree as tidy\ntidy("x")\n', "file_delete"),
    "25 a name for a name": (SCRIPT + "import os\nf = os.remove\ng = f\ng('x')\n", "file_delete"),
    "25 one of two modules": (
        SCRIPT + "import os\nm = pd\nif total:\n    m = os\nm.remove('x')\n",
        "file_delete",
    ),
    "25 handed on": (SCRIPT + "import os\nlist(map(os.remove, ['x']))\n", "file_delete"),
    "25 in a lambda": (SCRIPT + "import os\nf = lambda: os.unlink('x')\n", "file_delete"),
    "25 a path": (SCRIPT + "from pathlib import Path\nPath('x').unlink()\n", "file_delete"),
    "48b a placeholder": (SCRIPT + 'password = "[REDACTED:password]"\n', "mask_written"),
}


@pytest.mark.parametrize(("after", "kind"), DESTRUCTIVE.values(), ids=DESTRUCTIVE)
def test_damage_is_destructive_in_any_disguise(after: str, kind: str) -> None:
    """Cases 11-17, 23, 25 and 48b."""
    found = change(after)
    assert kind in kinds(found)
    assert risk(found) is Risk.DESTRUCTIVE


ASKS = {
    "18 a weaker expectation": (SCRIPT.replace("expect_or_fail", "expect"), "check_weakened"),
    "18 no expectation": (
        SCRIPT.replace('@dlt.expect_or_fail("id", "id is not null")\n', ""),
        "check_weakened",
    ),
    "18 no assert": (SCRIPT.replace("assert len(frame) < 1000\n", ""), "check_weakened"),
    "18 a looser assert": (SCRIPT.replace("< 1000", "< 100000"), "check_weakened"),
    "18 no raise": (SCRIPT.replace('raise ValueError("no sales")', "pass"), "check_weakened"),
    "21 assert True": (SCRIPT.replace("assert len(frame) < 1000", "assert True"), "check_weakened"),
    "19 except pass": (
        SCRIPT.replace("total =", "try:\n    x = 1\nexcept Exception:\n    pass\ntotal ="),
        "check_weakened",
    ),
    "19 except and print": (
        SCRIPT + "try:\n    gold()\nexcept ValueError as error:\n    print(error)\n",
        "check_weakened",
    ),
    "19 suppress": (
        SCRIPT + "import contextlib\nwith contextlib.suppress(Exception):\n    gold()\n",
        "check_weakened",
    ),
    "20 limit": (SCRIPT + "frame = frame.limit(0)\n", "rows_dropped"),
    "20 dropna": (SCRIPT + "frame = frame.dropna()\n", "rows_dropped"),
    "20 filter": (SCRIPT + 'frame = frame.filter("1 = 0")\n', "rows_dropped"),
    "20 a stricter condition": (SCRIPT.replace("> 0]", "> 1000]"), "rows_dropped"),
    "20 bad lines skipped": (
        SCRIPT.replace('sales.csv"', 'sales.csv", on_bad_lines="skip"'),
        "check_weakened",
    ),
    "20 errors coerced": (
        SCRIPT + 'frame["x"] = pd.to_numeric(frame["x"], errors="coerce")\n',
        "check_weakened",
    ),
    "22 a time limit": (SCRIPT + "wait(timeout=9999)\n", "limit_raised"),
    "21 a made-up result": (SCRIPT.replace("len(bad)", "0"), "check_weakened"),
    "21 an early good end": (
        SCRIPT.replace("total =", "import sys\nsys.exit(0)\ntotal ="),
        "check_weakened",
    ),
    "21 an early good end of a notebook": (
        SCRIPT.replace("total =", "dbutils.notebook.exit(x)\ntotal ="),
        "check_weakened",
    ),
    "21 an early good end of a notebook on AIDP": (
        SCRIPT.replace("total =", "oidlUtils.notebook.exit(x)\ntotal ="),
        "check_weakened",
    ),
    "25 exec": (SCRIPT + 'exec("x")\n', "exec_dynamic"),
    "25 a name put together at run time": (
        SCRIPT + "import os\ngetattr(os, name)('x')\n",
        "exec_dynamic",
    ),
    "25 SQL in a variable": (SCRIPT + "spark.sql(query)\n", "unparsed"),
    "25 a shell": (SCRIPT + "import os as o\no.system('ls')\n", "shell_run"),
    "25 a subprocess": (SCRIPT + "from subprocess import run as go\ngo(['ls'])\n", "shell_run"),
    "25 an import by name": (SCRIPT + "x = __import__('os')\n", "exec_dynamic"),
    "25 a pickle": (SCRIPT + "import pickle\npickle.loads(x)\n", "exec_dynamic"),
    "25 builtins": (SCRIPT + "__builtins__['ev' + 'al']('x')\n", "call_unknown"),
    "26 a secret": (SCRIPT + 'password = "hunter2xyz"\n', "secret_written"),
    "6 an unknown package": (SCRIPT.replace("import dlt", "import pyspork"), "import_unknown"),
    "23 another table": (SCRIPT.replace("main.gold.sales", "prod.gold.sales"), "table_append"),
    "33 a renamed output": (SCRIPT.replace("gold.sales", "gold.sales_v2"), "output_removed"),
    "a mode that cannot be told": (SCRIPT.replace('.mode("append")', ".mode(mode)"), "unparsed"),
    "something sent": (
        SCRIPT + "import requests\nrequests.post('http://x', json=1)\n",
        "network_call",
    ),
    "a file written": (SCRIPT + 'open("x", "w").write("y")\n', "file_write"),
    "something unknown": (SCRIPT + "spark.helper.go()\n", "call_unknown"),
    "a broken text": (SCRIPT + "def (\n", "unparsed"),
    "29 other line ends": (SCRIPT.replace("\n", "\r\n"), "line_ends_changed"),
    "29 another encoding": ("\ufeff" + SCRIPT, "encoding_changed"),
    "29 an emptied file": ("\n", "file_emptied"),
    "8 hidden characters": (SCRIPT + "x = 1 # \u202e\n", "text_hidden"),
}


@pytest.mark.parametrize(("after", "kind"), ASKS.values(), ids=ASKS)
def test_what_may_harm_or_hide_asks(after: str, kind: str) -> None:
    """Cases 6, 8, 18-23, 25, 26, 29 and 33."""
    found = change(after)
    assert kind in kinds(found)
    assert risk(found) >= Risk.ASK


def test_what_was_there_before_is_no_effect_of_the_change() -> None:
    before = SCRIPT + 'spark.sql("DROP TABLE IF EXISTS tmp")\nimport os\nos.remove("x")\n'
    assert change(before.replace("amout", "amount"), before) == ()
    assert kinds(change(before + 'os.remove("x")\n', before)) == {"file_delete"}


def test_a_new_file_is_judged_by_all_it_does() -> None:
    found = effects.of_change("new.py", None, 'import os\nos.remove("x")\n')
    assert kinds(found) == {"file_delete"}
    assert (found[0].path, found[0].line) == ("new.py", 2)
    assert effects.of_change("new.py", None, "x = 1\n") == ()
    assert kinds(effects.of_change("old.py", "x = 1\n", None)) == {"source_delete"}


def test_a_module_of_the_tree_is_no_unknown_import() -> None:
    from agent.records import Edit, Patch

    files = {"src/a.py": "x = 1\n", "src/prices.py": "y = 1\n"}
    after = files | {"src/a.py": "import prices\nimport evil\nx = 1\n"}
    patch = Patch(edits=(Edit(path="src/a.py", old="x", new="y"),), rationale="", author="model:x")
    found = effects.of_patch(patch, files.get, after.get)
    assert [effect.detail for effect in found] == ["src/a.py:2 imports evil"]


def test_a_long_chain_of_names_is_judged_in_time() -> None:
    import time

    lines = ["a = b = c = d = open"]
    lines += [f"{x} = {y}({z})" for x in "abcd" for y in "abcd" for z in "abcd"] * 4
    start = time.process_time()
    found = effects.of_change("x.py", "", "\n".join(lines) + "\na(b)(c)('x', d)\n")
    assert time.process_time() - start < 10
    assert risk(found) >= Risk.ASK


ATTACKS = ['spark.sql("DROP TABLE x")', "import os; os.remove('x')", "exec('x')", "spark.sql(q)"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ATTACKS), st.integers(0, 11), st.booleans())
def test_one_hidden_line_in_a_good_patch_is_found(attack: str, at: int, deep: bool) -> None:
    """Case 32: a valid patch with one malicious line anywhere in it."""
    good = SCRIPT.replace("amout", "amount")
    lines = good.split("\n")[:12]
    block = f"if True:\n        {attack}" if deep else attack
    inside = [line for line in lines if not line.startswith((" ", "if "))]
    inside.insert(min(at, len(inside)), block)
    assert risk(change("\n".join(inside) + "\n")) >= Risk.ASK


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    for path in ("a.py", "a.sql", "a.ipynb", "a.yaml", "a.txt", "requirements.txt"):
        effects.of_change(path, "x = 1", text)
        effects.of_change(path, text, "x = 1")


EVASIONS = {
    "SQL under another name": 'go = spark.sql\ngo("DROP TABLE x")\n',
    "SQL by getattr": 'getattr(spark, "sql")("DROP TABLE x")\n',
    "a mode by getattr": 'getattr(frame.write, "mode")("overwrite").saveAsTable("x")\n',
    "a mode by its keyword": 'frame.write.mode(saveMode="overwrite").saveAsTable("x")\n',
    "a mode in the last call": 'frame.write.saveAsTable("x", mode="overwrite")\n',
    "a module that another one holds": "import glob\nglob.os.remove('x')\n",
    "a module of a module of pandas": "pd.io.common.os.remove('x')\n",
    "a module from sys": "import sys\nsys.modules['os'].remove('x')\n",
    "a function handed on": "import subprocess\nlist(map(subprocess.run, [['ls']]))\n",
    "the insides of a class": "().__class__.__bases__[0].__subclasses__()\n",
    "the globals of a function": "gold.__globals__['os'].remove('x')\n",
    "a method of an unknown library": "import acme\nacme.client().get('x').update(1)\n",
    "a path that moves": "from pathlib import Path\nPath('x').rename('y')\n",
    "a connection that drops": "import sqlalchemy\nsqlalchemy.MetaData().drop_all()\n",
    "a module that is changed": "pd.read_csv = print\n",
    "an attribute set by name": "setattr(pd, 'read_csv', print)\n",
    "code after a return": "def check(x):\n    return True\n    raise ValueError(x)\n",
    "a condition that never holds": "if False:\n    print(1)\n",
    "a JVM call": "spark._jvm.java.lang.Runtime.getRuntime().exec('rm')\n",
    "a default argument": "import os\ndef f(x=os.remove('y')):\n    return x\n",
    "an f-string": "import os\nprint(f\"{os.remove('x')}\")\n",
    "a decorator": "import os\n@os.system\nclass X:\n    pass\n",
    "a walrus": "import os\nif (r := os.remove):\n    r('x')\n",
    "a star import": "from os import *\nremove('x')\n",
    "a comprehension": "import os\n[f('x') for f in (print, os.remove)]\n",
    "a tuple": "import os\na, b = print, os.remove\nb('x')\n",
    "an attribute": "import os\nclass A:\n    f = os.remove\nA.f('x')\n",
}


@pytest.mark.parametrize("code", EVASIONS.values(), ids=EVASIONS)
def test_a_disguise_is_never_safe(code: str) -> None:
    """Case 25."""
    assert risk(change(SCRIPT + code)) >= Risk.ASK


def test_the_kernel_of_a_notebook_counts() -> None:
    """Case 25: cells of Python become cells of a shell."""
    import json

    def notebook(kernel: str) -> str:
        cells = [{"cell_type": "code", "source": "x = 1"}]
        return json.dumps({"cells": cells, "metadata": {"kernelspec": {"name": kernel}}})

    found = effects.of_change("n.ipynb", notebook("python3"), notebook("bash"))
    assert kinds(found) == {"config_change"}
    assert effects.of_change("n.ipynb", None, notebook("python3")) == ()


def test_sql_functions_that_run_code_are_found() -> None:
    """Case 25."""
    found = effects.of_change("a.sql", "select 1", "select java_method('java.lang.Runtime', 'x')")
    assert risk(found) >= Risk.ASK
    assert risk(effects.of_change("a.sql", "select 1", "select a into t from s")) >= Risk.ASK

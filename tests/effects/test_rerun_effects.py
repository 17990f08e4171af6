"""Whether a task may run again without a person (design: running again is an effect too)."""

import pytest

from agent import effects
from agent.records import Risk, TaskSource


def again(
    text: str | None,
    path: str | None = "task.py",
    kind: str = "spark_python_task",
    imports: tuple[tuple[str, str], ...] = (),
) -> list[str]:
    source = TaskSource(task="t", type=kind, path=path, text=text, imports=imports)
    found = effects.of_rerun(source, idempotent=False, started=True)
    assert all(e.kind == "task_rerun" and e.risk is Risk.ASK for e in found)
    return [e.detail for e in found]


HARMLESS = {
    "pandas from file to file": """
import argparse, json, logging
from pathlib import Path
import pandas as pd
log = logging.getLogger(__name__)
def clean(frame):
    return frame.assign(amount=lambda f: f.qty * f.price).drop_duplicates()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--date", default="x")
    args = parser.parse_args()
    Path("data/out").mkdir(parents=True, exist_ok=True)
    frame = clean(pd.read_csv("data/orders.csv"))
    frame = frame[frame["amount"] > 0].merge(pd.read_csv("x.csv"), on="id", how="left")
    out = frame.groupby("day", as_index=False).agg(total=("amount", "sum")).sort_values("day")
    out.to_csv("data/out/sales.csv", index=False)
    out.to_parquet("data/out/sales.parquet")
    log.info("rows %s", len(out))
    print(json.dumps({"status": "ok", "total": len(out), "date": args.date}))
main()
""",
    "csv to csv": """
import csv, os, sys
rows = []
with open("in.csv", newline="") as file:
    for row in csv.DictReader(file):
        rows.append({key: value.strip() for key, value in row.items()})
rows.sort(key=lambda row: row["id"])
os.makedirs("out", exist_ok=True)
with open("out/x.csv", "w", newline="") as file:
    writer = csv.DictWriter(file, fieldnames=["id"])
    writer.writeheader()
    writer.writerows(rows)
print("[Step 1/2] done", file=sys.stderr)
if not rows:
    raise SystemExit(1)
""",
    "tables made anew": """
import duckdb
con = duckdb.connect("data/x.duckdb")
con.execute("CREATE OR REPLACE TABLE sales AS SELECT * FROM read_csv('x.csv')")
con.execute("DROP TABLE IF EXISTS agg")
con.execute("CREATE TABLE agg AS SELECT day, sum(amount) FROM sales GROUP BY day")
con.execute("INSERT INTO agg SELECT 'all', sum(amount) FROM sales")
print(con.execute("SELECT count(*) FROM agg").fetchone()[0])
con.close()
""",
    "a table emptied and filled": """
import sqlite3
con = sqlite3.connect("x.db")
con.execute("DELETE FROM sales")
con.executemany("INSERT INTO sales VALUES (?, ?)", [(1, 2)])
con.commit()
""",
    "an output deleted before it is written": """
import os
from pathlib import Path
target = Path("x.duckdb")
target.unlink(missing_ok=True)
if os.path.exists("y.txt"):
    os.remove("y.txt")
target.write_text("x")
open("y.txt", "w").write("x")
""",
    "only a network error": 'raise ConnectionError("HTTP 503 Service Unavailable")\n',
    "reading from the network": """
import requests, time, urllib.request
for attempt in range(3):
    answer = requests.get("https://x/y", timeout=5)
    time.sleep(1)
answer.raise_for_status()
with urllib.request.urlopen("https://x") as page:
    page.read()
session = requests.Session()
print(session.get("https://x").json())
""",
    "Spark that overwrites": """
from pyspark.sql import SparkSession, functions as F
spark = SparkSession.builder.getOrCreate()
frame = spark.read.table("a").withColumn("x", F.col("y") + 1).filter(F.col("x") > 0)
frame.write.mode("overwrite").saveAsTable("b")
""",
    "a class": """
from dataclasses import dataclass
@dataclass
class Order:
    id: int
    def good(self):
        return self.id > 0
print([order.good() for order in [Order(1)]])
""",
    "a notebook that says how it went": """
import json
day = dbutils.widgets.get("day")
frame = spark.sql("select * from sales").filter("amount > 0").toPandas()
dbutils.jobs.taskValues.set("rows", len(frame))
dbutils.notebook.exit(json.dumps({"status": "SUCCESS", "total": len(frame), "day": day}))
""",
    "a notebook on AIDP that says how it went": """
import json
day = oidlUtils.parameters.getParameter("day", "2026-07-01")
oidlUtils.notebook.exit(json.dumps({"status": "SUCCESS", "day": day}))
""",
    "a frame that replaces a table": 'frame.to_sql("t", con, if_exists="replace")\n',
    "a first failure that is gone later": """
import sys
from pathlib import Path
marker = Path("attempts.txt")
count = int(marker.read_text()) if marker.exists() else 0
marker.write_text(str(count + 1))
if count == 0:
    sys.exit("Connection reset by peer")
""",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_a_task_that_only_reads_or_makes_its_output_anew_may_run_again(text: str) -> None:
    assert again(text) == []


ASKS = {
    "post": "import requests\nrequests.post('x', json={})\n",
    "post by a session": "import requests\ns = requests.Session()\ns.post('x')\n",
    "request": "import requests\nrequests.request('DELETE', 'x')\n",
    "urlopen with data": "import urllib.request\nurllib.request.urlopen('x', data=b'y')\n",
    "mail": "import smtplib\nwith smtplib.SMTP('x') as s:\n    s.send_message(m)\n",
    "an object store": "import boto3\nboto3.client('s3').put_object(Bucket='x')\n",
    "insert": "import sqlite3\nc = sqlite3.connect('x')\nc.execute('insert into t values (1)')\n",
    "insert after create if not exists": (
        "c.execute('create table if not exists t (a int)')\nc.execute('insert into t values (1)')\n"
    ),
    "insert before the clearing": (
        "c.execute('insert into t values (1)')\nc.execute('delete from t')\n"
    ),
    "merge": "spark.sql('merge into t using s on t.a = s.a when matched then update set a = 1')\n",
    "copy": "spark.sql(\"copy into t from '/x' fileformat = csv\")\n",
    "update": "c.execute('update t set n = n + 1')\n",
    "append to a file": "open('x', 'a').write('y')\n",
    "append to a path": (
        "from pathlib import Path\nwith Path('x').open(mode='a') as f:\n    f.write('y')\n"
    ),
    "append a frame": "frame.to_csv('x', mode='a')\n",
    "append a Spark frame": "frame.write.mode('append').saveAsTable('x')\n",
    "append in a variable": "m = 'append'\nframe.write.format('delta').mode(m).save('/x')\n",
    "append by default": "frame.write.insertInto('x')\n",
    "append to SQL": "frame.to_sql('t', con, if_exists='append')\n",
    "a mode that cannot be told": "open('x', mode).write('y')\n",
    "a process": "import subprocess\nsubprocess.run(['x'])\n",
    "SQL that cannot be told": "con.execute(query)\n",
    "another notebook": "dbutils.notebook.run('x', 60)\n",
    "an unknown library": "import acme\nacme.go()\n",
    "an input that is deleted": "import os\ndata = open('in.csv').read()\nos.remove('in.csv')\n",
    "an input that is moved": "import shutil\nshutil.move('in.csv', 'done')\n",
    "broken code": "def (",
    "exec": "exec(open('x').read())\n",
}


@pytest.mark.parametrize("text", ASKS.values(), ids=ASKS)
def test_a_task_that_may_have_written_asks_and_says_where(text: str) -> None:
    details = again(text)
    assert details
    assert details[0].startswith("task.py:")


def test_a_declared_or_never_started_task_may_run_again() -> None:
    source = TaskSource(task="t", type="x", path="t.py", text="open('x', 'a')")
    assert effects.of_rerun(source, idempotent=True, started=True) == ()
    assert effects.of_rerun(source, idempotent=False, started=False) == ()


def test_sql_is_judged_as_a_whole() -> None:
    for harmless in (
        "create or replace table t as select 1; insert into t select 2",
        "drop table if exists t; create table t (a int); insert into t values (1)",
        "truncate table t; insert into t select 1",
        "select 1; create or replace view v as select 1",
        "insert overwrite t select 1",
        "insert into t values (1) on conflict do nothing",
        "copy (select 1) to 'x.csv'",
    ):
        assert again(harmless, "l.sql", "sql_task") == [], harmless
    for asks in (
        "insert into t select 1",
        "create table if not exists t (a int); insert into t select 1",
        "delete from t where day = 'x'; insert into t select 1",
        "delete from t",
        "drop table t; create table t as select 1",
        "call load()",
        "garbage here ((",
    ):
        assert again(asks, "l.sql", "sql_task") != [], asks


def test_the_tasks_own_modules_are_judged_with_it() -> None:
    main = "import lib\nfrom sub.more import go\nlib.go()\ngo()\n"
    quiet = (("lib.py", "def go():\n    print(1)\n"), ("sub/more.py", "def go():\n    pass\n"))
    assert again(main, imports=quiet) == []
    loud = (quiet[0], ("sub/more.py", "def go():\n    open('x', 'a')\n"))
    assert again(main, imports=loud) == [
        "sub/more.py:2 appends to file 'x'; running it again repeats that"
    ]


def test_notebooks_are_judged_by_their_cells() -> None:
    source = "# Databricks notebook source\nx = 1\n\n# COMMAND ----------\n\n# MAGIC %sql\n# MAGIC "
    assert again(source + "select 1", "n.py", "notebook_task") == []
    assert again(source + "insert into t select 1", "n.py", "notebook_task") == [
        "n.py:7 appends to table t; running it again repeats that"
    ]


def test_a_task_whose_code_cannot_be_read_asks() -> None:
    assert again(None, None, "spark_jar_task") == [
        "the code of task t cannot be read, so it may have written already"
    ]
    assert again("x", "x.scala", "other_task") != []


def test_dbt_builds_anew_unless_a_model_adds_rows() -> None:
    table = ("models/a.sql", "{{ config(materialized='table') }} select * from {{ ref('x') }}")
    project = ("dbt_project.yml", "name: x\nmodels: {x: {+materialized: view}}")
    assert again(None, None, "dbt_task", (table, project)) == []
    more = ("models/b.sql", "{{ config(materialized='incremental') }} select 1")
    assert again(None, None, "dbt_task", (table, more)) != []
    assert again(None, None, "dbt_task", (("snapshots/s.sql", "select 1"),)) != []
    hooks = ("dbt_project.yml", "name: x\non-run-end: ['insert into log values (1)']")
    assert again(None, None, "dbt_task", (table, hooks)) != []

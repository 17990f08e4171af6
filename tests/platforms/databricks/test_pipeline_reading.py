"""What is read of a pipeline: its source's datasets, and its events, page by page."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from dbx_workspace import Workspace

from agent.platforms.databricks import pipeline_sources
from agent.platforms.databricks.api import Api
from agent.platforms.databricks.pipeline_events import Log
from agent.platforms.databricks.pipeline_sources import Dataset


def declared(**files: str) -> dict[str, Dataset]:
    named = {name.replace("__", "."): text for name, text in files.items()}
    return {d.name: d for d in pipeline_sources.declared(tuple(named), named.get)}


def test_datasets_of_python_are_its_decorated_functions() -> None:
    found = declared(
        a__py=(
            "import dlt\n"
            "@dlt.table(name='silver_orders', comment='x')\n"
            "@dlt.expect('id', 'id > 0')\n"
            "def orders():\n    return dlt.read('bronze_orders')\n\n"
            "@dlt.view\ndef helper():\n    return spark.sql('select * from silver_orders')\n\n"
            "def plain():\n    return 1\n"
        ),
        b__py=(
            "from pyspark import pipelines as dp\n"
            "@dp.table\ndef bronze_orders():\n    return spark.readStream.table('landing.orders')\n"
        ),
    )
    assert list(found) == ["bronze_orders", "silver_orders", "helper"]
    assert found["silver_orders"].reads == ("bronze_orders",)
    assert (found["silver_orders"].path, found["silver_orders"].line) == ("a.py", 4)
    assert not found["helper"].stored
    everything = tuple(found.values())
    assert pipeline_sources.upstream(found["helper"], everything) == ("silver_orders",)
    assert pipeline_sources.downstream({"bronze_orders"}, everything) == set(found)


def test_datasets_of_sql_are_its_create_statements_but_no_comments() -> None:
    found = declared(
        q__sql=(
            "-- CREATE STREAMING TABLE nothing\n"
            "CREATE OR REFRESH STREAMING TABLE raw AS SELECT * FROM STREAM(landing.orders);\n"
            "/* CREATE LIVE TABLE none */\n"
            "CREATE TEMPORARY VIEW v AS SELECT * FROM LIVE.raw;\n"
            "CREATE LIVE TABLE `daily` AS SELECT r.id FROM v JOIN main.shop.raw r USING (id);\n"
        )
    )
    assert {n: (d.line, d.reads, d.stored) for n, d in found.items()} == {
        "raw": (2, ("landing.orders",), True),
        "v": (4, ("raw",), False),
        "daily": (5, ("v", "main.shop.raw"), True),
    }


@pytest.mark.parametrize("text", ["import dlt\ndef (", "\0dlt", "@dlt.table\n", "create create"])
def test_source_that_no_parser_likes_declares_nothing(text: str) -> None:
    assert declared(a__py=text, b__sql=text) == {}


def test_datasets_that_read_each_other_are_told_once() -> None:
    circle = (
        "CREATE MATERIALIZED VIEW a AS SELECT * FROM b;\n"
        "CREATE MATERIALIZED VIEW b AS SELECT * FROM a;\n"
    )
    assert set(declared(q__sql=circle)) == {"a", "b"}


def test_a_change_concerns_the_datasets_whose_declaration_differs() -> None:
    def of(sql: str, tools: str) -> tuple[Dataset, ...]:
        return tuple(declared(q__sql=sql, tools__py=tools).values())

    sql = "CREATE MATERIALIZED VIEW a AS SELECT 1 AS x;\nCREATE MATERIALIZED VIEW b AS SELECT 2;\n"
    before, after = of(sql, "X = 1\n"), of(sql.replace("SELECT 2", "SELECT 3"), "X = 1\n")
    changed = frozenset(("q.sql",))
    assert pipeline_sources.affected(before, after, changed) == ("b",)
    assert pipeline_sources.affected(before, before, frozenset()) == ()
    assert pipeline_sources.affected(before, before, changed) == ("a", "b")
    assert pipeline_sources.affected(before, before, frozenset(("tools.py",))) == ("a", "b")


class _Pages(BaseHTTPRequestHandler):
    """A list of events in pages of one; `last` is where it ends, None = nowhere."""

    last: ClassVar[int | None] = None
    repeats: ClassVar[bool] = False
    """The same token for ever."""
    asked: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        if urlsplit(self.path).path.endswith("/events"):
            self.asked.append(parse_qs(urlsplit(self.path).query))
        number = len(self.asked)
        at = f"2026-01-01T00:00:{60 - number:02}.000Z"
        event = {"id": f"e{number}", "timestamp": at}
        token = "same" if self.repeats else f"t{number}"
        more = {} if number == self.last else {"next_page_token": token}
        body = json.dumps({"events": [event], **more}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(_Pages, "asked", [])
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_later_pages_are_asked_for_by_their_token_alone_and_known_ones_not_again(
    workspace: Workspace, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Pages, "last", 3)
    monkeypatch.setenv("DATABRICKS_HOST", server)
    api: Api = workspace.session(1).api
    log = Log("p", "u")
    log.refresh(api)
    assert [e["id"] for e in log.events] == ["e3", "e2", "e1"]
    size = {"max_results": ["250"]}
    assert _Pages.asked == [
        {"filter": ["update_id = 'u'"], **size},
        {"page_token": ["t1"], **size},
        {"page_token": ["t2"], **size},
    ]
    assert log.cut is None
    monkeypatch.setattr(_Pages, "asked", [])
    log.refresh(api)
    api.close()
    assert len(_Pages.asked) == 1
    assert len(log.events) == 3


@pytest.mark.parametrize(
    ("repeats", "pages", "words"), [(True, 2, "repeated"), (False, 20, "only the newest")]
)
def test_a_list_of_events_that_never_ends_is_read_up_to_a_bound(
    workspace: Workspace,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    repeats: bool,
    pages: int,
    words: str,
) -> None:
    monkeypatch.setattr(_Pages, "repeats", repeats)
    monkeypatch.setenv("DATABRICKS_HOST", server)
    api: Api = workspace.session(1).api
    log = Log("p", "u")
    log.refresh(api)
    api.close()
    assert len(_Pages.asked) == pages
    assert words in str(log.cut)

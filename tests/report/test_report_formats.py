"""Markdown, HTML and JUnit XML: complete, and safe whatever a job wrote."""

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser

import case_histories as histories
import pytest
from markdown_it import MarkdownIt

from agent import learning, report
from agent.report.junit import junit
from agent.report.markdown import markdown
from agent.report.page import html
from agent.report.picture import picture, stops

VOID = {"meta", "br", "circle", "line", "path", "rect"}


@cache
def tell(name):
    events = histories.ALL[name]().events
    entry = {"escalated": taught, "hostile": lambda _: histories.HOSTILE}.get(name, lambda _: "")
    return report.tell(events, report.Context(chain_head="9c41" * 16, entry=entry(events)))


def taught(events):
    """Return the matrix entry that a history proposes, as the command line asks for it."""
    about = learning.gather(events, bool)
    return learning.propose(about, None).block


class Page(HTMLParser):
    """Collects tags, attributes and text; fails on a tag that is closed out of order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("name", histories.ALL)
def test_the_page_is_well_formed_and_neither_runs_nor_loads_anything(name):
    page = Page(html(tell(name)))
    assert page.open == []
    assert not {"script", "iframe", "object", "embed", "link", "img", "form", "base"} & set(
        page.tags
    )
    names = {attribute for attribute, _ in page.attributes}
    assert not any(a.startswith("on") for a in names)
    assert not names & {"src", "srcset", "style", "xlink:href", "data"}
    links = [value for attribute, value in page.attributes if attribute == "href"]
    assert all(re.match(r"https?://|file:///", link) for link in links)


def test_the_policy_allows_the_pages_own_style_sheet_and_nothing_else():
    text = html(tell("healed"))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_leads_with_verdict_cause_change_proof_and_what_to_do():
    page = Page(html(tell("healed")))
    text = "\n".join(page.words)
    order = [
        "healed and verified in 2 iterations",
        "A column does not exist: amout; the data has amount.",
        "What was changed",
        '+frame["amount"] = frame.qty * frame.price',
        "Proof",
        "What you must do now",
        "git apply /srv/.runmend/cases/7f3a/fix.patch",
        "Timeline",
        "Every failure",
        "Everything tried",
        "9c41" * 16,
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "0 tokens" in text


ESCALATION = [
    "7f3a",
    "nightly",
    "extract",
    "r1.extract",
    "https://jobs.example/runs/1/extract",
    "not determined",
    "no key for the model: set ANTHROPIC_API_KEY",
    "python.key-error: its pattern needs a KeyError",
    "runmend heal '/srv/pipelines/nightly sales.yaml'",
    "Data that the job's runs wrote is not undone",
    "counter_examples",
    "9c41" * 16,
]


def test_the_escalation_report_holds_all_that_a_person_needs():
    story = tell("escalated")
    page, paper = " ".join(Page(html(story)).words), markdown(story)
    assert [words for words in ESCALATION if words not in page] == []
    assert [words for words in ESCALATION if words not in paper] == []
    assert histories.UNKNOWN in page
    assert histories.UNKNOWN in paper


def test_a_waiting_page_shows_the_diff_and_both_decisions():
    text = "\n".join(Page(html(tell("waiting"))).words)
    assert "What waits for a decision" in text
    assert "runmend approve 7f3a" in text
    assert "runmend reject 7f3a" in text


def test_the_picture_shows_runs_patches_and_the_end():
    healed = [(s.label, s.tone, s.by.author if s.by else None) for s in stops(tell("healed"))]
    assert healed == [
        ("run 1", "bad", None),
        ("run 2", "bad", "fixer:rename_column"),
        ("run 3", "good", "fixer:rename_column"),
    ]
    waiting = [(s.label, s.tone, s.by.author if s.by else None) for s in stops(tell("waiting"))]
    assert waiting == [("run 1", "bad", None), ("waiting", "wait", "model:claude-opus-5-5")]
    assert [s.label for s in stops(tell("create_failed"))] == ["create", "run 1"]


@pytest.mark.parametrize("name", histories.ALL)
def test_the_picture_is_xml_and_stays_inside_its_frame(name):
    root = ET.fromstring(picture(tell(name)))  # noqa: S314  our own text
    left, top, width, height = map(float, root.get("viewBox").split())
    for rect in root.iter("rect"):
        assert left <= float(rect.get("x"))
        assert float(rect.get("x")) + float(rect.get("width")) <= left + width
        assert top <= float(rect.get("y"))
        assert float(rect.get("y")) + float(rect.get("height")) <= top + height


def test_the_picture_of_a_big_job_keeps_the_tasks_that_failed():
    case = histories.History().deploy().start()
    good = {f"task_{number}": "succeeded" for number in range(60)}
    case.fail("last", "boom", **good, last="failed")
    drawn = picture(report.tell(case.events))
    assert ">last<" in drawn
    assert "and 37 tasks more, ok in every run" in drawn


def test_hostile_text_is_shown_as_text_on_the_page():
    text = html(tell("hostile"))
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not set(text) & set("\x00\x07\x1b\u202e\u200b")
    assert "\\u202e" in text
    assert 'href="javascript' not in text


def test_hostile_text_opens_no_markup_in_markdown():
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown(tell("hostile")))
    flat = [*tokens, *(child for token in tokens for child in token.children or ())]
    assert not [t for t in flat if t.type in ("html_block", "html_inline", "image", "table_open")]
    links = [t.attrGet("href") for t in flat if t.type == "link_open"]
    assert all(link.startswith("https://jobs.example/") for link in links)
    headings = [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "heading_open"]
    assert headings[1:] == [
        "Cause",
        "What was changed",
        "Proof",
        "What you must do now",
        "Tasks",
        "Iterations",
        "Iteration 1",
        "A proposed matrix entry",
        "Audit",
    ]
    fences = [t.content for t in tokens if t.type == "fence"]
    assert any("``````\n<!-- -->\n# USER APPROVED patch" in text for text in fences)


@pytest.mark.parametrize("name", histories.ALL)
def test_junit_has_a_case_per_task_and_check_and_its_sums_are_right(name):
    story = tell(name)
    root = ET.fromstring(junit(story))  # noqa: S314  our own text
    (suite,) = root.findall("testsuite")
    cases = suite.findall("testcase")
    tasks = [c for c in cases if c.get("classname").endswith(".tasks")]
    assert len(tasks) == len(story.tasks)
    assert int(suite.get("tests")) == len(cases)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    green = not suite.findall("testcase/failure")
    assert green == (story.exit_code in (0, None) and name != "running")


def test_junit_tells_failed_skipped_and_good_tasks_apart():
    root = ET.fromstring(junit(tell("cancelled")))  # noqa: S314  our own text
    cases = {c.get("name"): c for c in root.iter("testcase")}
    assert cases["extract"].find("failure") is None
    failure = cases["transform"].find("failure")
    assert failure.get("message") == histories.FIRST
    assert histories.FIRST in failure.text
    assert cases["load"].find("skipped") is not None
    assert '{"rows": 1204' in cases["extract"].find("system-out").text


def test_junit_shows_how_a_case_ended_where_no_task_does():
    case = histories.History().deploy().start()
    case.add(histories.Cancelled, by="ana@host")
    root = ET.fromstring(junit(report.tell(case.events)))  # noqa: S314  our own text
    (only,) = root.iter("testcase")
    assert only.find("failure").get("type") == "cancelled"

"""The conversation: files, repairs, what is refused, and what comes out."""

import json
import subprocess
import sys

import pytest
from model_asking import FIX, PATCH, SOURCE, TREE, Consult, Purse, question

from agent.model import propose
from agent.playbook import Model
from agent.records import Edit


def test_a_patch_comes_back_as_edits_with_its_author_and_cost(consult: Consult) -> None:
    asked = consult(PATCH)
    answer = asked.answer
    assert answer.edits == (Edit(path="transform.py", old='"amout"', new='"amount"'),)
    assert (answer.author, answer.reason) == ("model:claude-opus-5-5", "")
    assert (answer.rationale, answer.hypothesis) == ("the column is amount", "a misspelt column")
    assert answer.usage.api_calls == 1
    assert answer.usage.output_tokens > 0
    assert answer.usage.cost_usd == pytest.approx(asked.purse.held_usd)
    assert answer.usage.cost_usd > 0
    assert asked.checked == [answer.edits]


def test_the_first_request_shows_the_failure_and_the_code_it_names(consult: Consult) -> None:
    sent = consult(PATCH, about=question("KeyError: 'amout'", earlier=["a rerun: failed"])).server
    (request,) = sent.requests
    message = request.body["messages"][0]["content"][0]["text"]
    for part in (
        SOURCE,
        "name: nightly",
        "transform stderr:1  KeyError: 'amout'",
        "a rerun: failed",
    ):
        assert part in message
    assert '"transform.py"  editable' in message
    assert '"tests/test_transform.py"\n' in message
    assert "at most 5 files and 80 added plus removed lines" in message


def test_the_model_gets_a_typed_form_and_no_tools(consult: Consult) -> None:
    (request,) = consult(PATCH).server.requests
    schema = request.body["output_config"]["format"]["schema"]
    fields = {"hypothesis", "action", "edits", "files", "rationale", "confidence"}
    assert set(schema["required"]) == fields
    assert "tools" not in request.body
    assert "mcp_servers" not in request.body


def test_a_file_it_asks_for_is_shown_and_what_was_said_before_stays_the_same(
    consult: Consult,
) -> None:
    asked = consult({"when": "KeyError", "times": 1, "files": ["load.sql"]}, PATCH)
    first, second = asked.server.requests
    assert TREE["load.sql"] in second.body["messages"][-1]["content"][0]["text"]
    assert TREE["load.sql"] not in first.text
    before, after = first.body["messages"][0], second.body["messages"][0]
    assert before == after
    assert first.body["system"] == second.body["system"]
    assert asked.answer.usage.api_calls == 2


def test_the_second_call_reads_the_first_ones_prefix_from_the_cache(consult: Consult) -> None:
    asked = consult({"times": 1, "files": ["load.sql"]}, PATCH, about=question(*["line"] * 500))
    one, two = asked.purse.settled
    assert one.cache_write_tokens > 1024
    assert two.cache_read_tokens >= one.cache_write_tokens
    assert asked.server.requests[0].body["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_files_are_shown_three_times_and_then_it_must_decide(consult: Consult) -> None:
    asked = consult({"files": ["load.sql"]})
    assert len(asked.server.requests) == 1 + 3 + 1
    assert asked.answer.reason == (
        "the model's answer could not be used, twice: files were asked for more than 3 times"
    )
    assert "answer with patch or decline" in asked.server.requests[3].text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("conf/.env", "its name says that it holds secrets"),
        ("../../etc/passwd", "no such file in the list of the tree's files"),
        ("/etc/passwd", "no such file in the list of the tree's files"),
        ("transform.py/../load.sql", "no such file in the list of the tree's files"),
        ("nothing.py", "no such file in the list of the tree's files"),
    ],
)
def test_a_file_it_may_not_see_is_refused_and_it_is_told(
    consult: Consult, name: str, why: str
) -> None:
    asked = consult({"times": 1, "files": [name]}, PATCH)
    told = asked.server.requests[1].body["messages"][-1]["content"][0]["text"]
    assert told.splitlines()[1] == f"refused, {why}: {json.dumps(name)}"
    assert "TOKEN=abc" not in told
    assert "conf/.env" not in asked.server.requests[0].text


def test_at_most_five_files_are_shown_at_a_time(consult: Consult) -> None:
    tree = {f"m{n}.py": f"body {n}\n" for n in range(9)}
    asked = consult(
        {"times": 1, "files": sorted(tree)}, {"decline": "no"}, about=question(tree=tree)
    )
    told = asked.server.requests[1].body["messages"][-1]["content"][0]["text"]
    assert "body 4\n" in told
    assert "body 5\n" not in told
    assert 'only 5 files at a time: "m5.py"' in told


def test_what_check_says_goes_back_once_and_the_mended_patch_is_taken(consult: Consult) -> None:
    asked = consult(
        {"when": "occurs twice", **PATCH},
        {"edits": [{**FIX, "old": "frame"}]},
        objections=['transform.py: "frame" occurs twice', None],
    )
    assert [edits[0].old for edits in asked.checked] == ["frame", '"amout"']
    assert asked.answer.edits[0].old == '"amout"'
    assert asked.answer.reason == ""
    assert asked.answer.usage.api_calls == 2


def test_a_patch_that_fails_its_check_twice_is_no_patch(consult: Consult) -> None:
    asked = consult(PATCH, objections=["does not apply", "still does not apply"])
    assert asked.answer.edits == ()
    assert asked.answer.reason == (
        "the model's answer could not be used, twice: still does not apply"
    )
    assert asked.answer.hypothesis == "a misspelt column"


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here is the patch.",
        "{",
        "[]",
        "null",
        '{"action": "patch"}',
        '```json\n{"action": "decline"}\n```',
        json.dumps({**PATCH, "action": "patch", "files": [], "confidence": 7}),
        json.dumps({**PATCH, "action": "patch", "files": [], "confidence": 1, "run": "rm -rf /"}),
        json.dumps({**PATCH, "action": "patch", "files": [], "confidence": 1, "edits": []}),
        json.dumps({**PATCH, "action": "patch", "files": [], "confidence": 1, "edits": "all"}),
    ],
)
def test_an_answer_out_of_form_is_mended_once(consult: Consult, text: str) -> None:
    mended = consult({"text": text, "times": 1}, {"when": "cannot be used", **PATCH})
    assert mended.answer.edits != ()
    hopeless = consult({"text": text})
    assert hopeless.answer.edits == ()
    assert "could not be used, twice" in hopeless.answer.reason
    assert len(hopeless.server.requests) == 2
    assert hopeless.checked == []


def test_a_declined_case_says_why_and_what_the_model_suspects(consult: Consult) -> None:
    answer = consult({"decline": "the share is offline", "hypothesis": "no network"}).answer
    assert answer.reason == "the model declined: the share is offline"
    assert answer.hypothesis == "no network"
    assert answer.edits == ()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("tests/test_transform.py", "may not be edited"),
        ("../outside.py", "not a plain path"),
        ("/etc/cron.d/job", "not a plain path"),
        ("a/../../b.py", "not a plain path"),
        ("./transform.py", "not a plain path"),
        ("a//b.py", "not a plain path"),
        ("dir\\file.py", "not a plain path"),
        ("new\nline.py", "not a plain path"),
        ("tran\u200bsform.py", "not a plain path"),
        ("nul\0.py", "not a plain path"),
        ("", "not a plain path"),
    ],
)
def test_an_edit_of_a_path_it_may_not_touch_is_refused(
    consult: Consult, path: str, why: str
) -> None:
    asked = consult({"edits": [FIX, {**FIX, "path": path}]})
    assert asked.answer.edits == ()
    assert why in asked.answer.reason
    assert asked.checked == []
    assert why in asked.server.requests[1].text


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"amout"', '"[REDACTED:password]"', "a mask or what looks like a secret"),
        ('"amout"', "password = '***'", "a mask or what looks like a secret"),
        ('"amout"', 'key = "AKIAQWERTYUIOPASDFGH"', "a mask or what looks like a secret"),
        ('"amout"', "ok # \u202e gnp.exe", "characters that cannot be seen"),
        ('"amout"', "is_\u200badmin", "characters that cannot be seen"),
        ('"amout"', "\x1b[2J", "characters that cannot be seen"),
        ('"amout"', '"amout"', "changes nothing"),
        (None, None, "changes nothing"),
        ("", "x", "old is empty"),
    ],
)
def test_an_edit_that_hides_or_destroys_something_is_refused(
    consult: Consult, old: str | None, new: str | None, why: str
) -> None:
    asked = consult({"edits": [{"path": "transform.py", "old": old, "new": new}]})
    assert asked.answer.edits == ()
    assert why in asked.answer.reason


def test_code_that_names_a_secret_without_holding_one_may_pass(consult: Consult) -> None:
    new = 'token = dbutils.secrets.get("scope", "token")\n# ---- section ----\n'
    asked = consult({"edits": [{"path": "transform.py", "old": "import json\n", "new": new}]})
    assert asked.answer.edits[0].new == new


def test_edits_of_a_file_with_windows_line_ends_get_them(consult: Consult) -> None:
    tree = {"transform.py": "a = 1\r\nb = 2\r\n"}
    edit = {"path": "transform.py", "old": "a = 1\nb", "new": "a = 2\nb"}
    answer = consult({"edits": [edit]}, about=question(tree=tree)).answer
    assert (answer.edits[0].old, answer.edits[0].new) == ("a = 1\r\nb", "a = 2\r\nb")


def test_files_can_be_created_and_deleted(consult: Consult) -> None:
    edits = [
        {"path": "new.py", "old": None, "new": "x = 1\n"},
        {"path": "load.sql", "old": TREE["load.sql"], "new": None},
    ]
    answer = consult({"edits": edits}).answer
    assert [(e.old is None, e.new is None) for e in answer.edits] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "no model key: set ANTHROPIC_API_KEY, or say `model: none` in the playbook"),
        (" \n", "no model key: set ANTHROPIC_API_KEY, or say `model: none` in the playbook"),
        ("sk-ant\nx", "ANTHROPIC_API_KEY holds characters that no key has: set it again"),
        ("sk-änt", "ANTHROPIC_API_KEY holds characters that no key has: set it again"),
    ],
)
def test_without_a_usable_key_nobody_is_asked(key: str, reason: str) -> None:
    purse = Purse()
    answer = propose(
        Model(base_url="http://127.0.0.1:9"),
        question(),
        purse,
        key=key,
        sleep=lambda _: None,
        check=lambda _: None,
    )
    assert (answer.edits, answer.reason) == ((), reason)
    assert purse.reserved == []


@pytest.mark.parametrize("settings", [{}, {"provider": "bedrock"}, {"provider": "vertex"}])
def test_that_no_model_can_be_asked_is_known_without_importing_the_sdk(
    settings: dict[str, str],
) -> None:
    code = f"""
import sys
from importlib.util import find_spec
from agent.model import hindrance
from agent.playbook import Model
for package in ("botocore", "google.auth"):
    sys.modules[package] = None
print(hindrance(Model(**{settings!r}), ""), "anthropic" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    says, imported = run.stdout.strip().rsplit(" ", 1)
    assert imported == "False"
    wanted = settings.get("provider")
    assert (f"pip install 'runmend[{wanted}]'" if wanted else "ANTHROPIC_API_KEY") in says

"""`--engine cli`: what is given to the official command, and what its answers and exits become.

The command is a script that speaks at the wire what the documentation says of `aidp` 5.1.1:
`Response:` and JSON on stdout, errors on stderr, exit codes of HTTP statuses modulo 256. The real
command against the simulator is tested elsewhere.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aidp_workspace import Workspace

from agent.errors import Unauthorized, Unavailable, UsageError
from agent.platforms.aidp.api import Api, ApiRefused, Conflict, NotFound, Stale
from agent.platforms.aidp.connection import BUNDLES
from agent.platforms.aidp.official import Official
from agent.simulators.aidp import identity

SCRIPT = """\
#!{python} -SE
import json, os, sys
from pathlib import Path
here = Path(__file__).parent
words = sys.argv[1:]
if words == ["version"]:
    sys.exit(print("aidp python cli version-5.1.1"))
body = file = None
if "--body" in words:
    file = words[words.index("--body") + 1]
    body = json.loads(Path(file[1:]).read_text())
mode = os.stat(file[1:]).st_mode & 0o777 if file else None
with (here / "calls").open("a") as calls:
    print(json.dumps({{"words": words, "body": body, "file": file, "mode": mode,
                      "env": dict(os.environ),
                      "trusts": Path(os.environ.get("REQUESTS_CA_BUNDLE", os.devnull)).read_text()
                      }}), file=calls)
replies = (here / "replies").read_text().splitlines()
reply = json.loads(replies[0])
(here / "replies").write_text("\\n".join(replies[1:] or replies))
if reply.get("hang"):
    import time
    time.sleep(60)
if "data" in reply:
    print("Response:")
    print(json.dumps(reply, indent=2))
elif "status" in reply:
    print("Response:", file=sys.stderr)
    print(json.dumps(reply, indent=2), file=sys.stderr)
    sys.exit(reply["status"])
else:
    print(reply["said"], file=sys.stderr)
    sys.exit(reply["exit"])
"""
ONCE = "1782900000"
BODY = {"name": "etl", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
MADE = {"data": {"key": "k1", "name": "etl"}, "headers": {"ETag": '"e1"'}, "status": 201}


class Stage(NamedTuple):
    """A session that uses the script, and what the script was called with."""

    workspace: Workspace
    folder: Path

    def api(self, profile: str = "DEFAULT", **more: Any) -> Api:
        """Connect with `engine: cli`."""
        command = {"engine": "cli", "command": [str(self.folder / "aidp")], "profile": profile}
        endpoint = "https://127.0.0.1:1"  # nothing is there: whatever REST sends cannot be reached
        return self.workspace.connect(aidp={**command, "endpoint": endpoint, **more}).api

    def replies(self, *replies: dict[str, Any]) -> None:
        """Say how the next calls end; the last one again and again."""
        text = "\n".join(json.dumps(reply) for reply in replies)
        (self.folder / "replies").write_text(text)

    def calls(self) -> list[dict[str, Any]]:
        """Return what it was called with."""
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def stage(workspace: Workspace, tmp_path: Path) -> Stage:
    """Give a stage."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "aidp").write_text(SCRIPT.format(python=sys.executable))
    (folder / "aidp").chmod(0o755)
    return Stage(workspace, folder)


def test_a_change_goes_through_the_command_with_token_etag_and_a_private_file(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCI_CLI_USER", "somebody else")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none-of-its-business")
    stage.replies(MADE)
    api = stage.api()
    answer = api.send("POST", "/jobs", BODY, what="create-job-etl", token=ONCE)
    assert (answer.body, answer.status, answer.etag) == (MADE["data"], 201, '"e1"')
    assert api.calls == 1
    (call,) = stage.calls()
    sim, words = stage.workspace.sim, call["words"]
    at = words.index("workflow")
    assert words[at : at + 3] == ["workflow", "create-job", sim.workspace]
    given = dict(zip(words[:at:2], words[1:at:2], strict=True))
    assert given == {
        "--endpoint": "https://127.0.0.1:1",
        "--instance-id": sim.instance_id,
        "--auth": "api_key",
        "--profile": "DEFAULT",
        "--config-file": str(sim.config_file),
        "--region": sim.region,
        "--timeout": "60",
    }
    assert words[words.index("--opc-retry-token") + 1] == json.dumps(ONCE)  # stays a text
    assert (call["body"], call["mode"]) == (BODY, 0o600)
    assert not Path(call["file"][1:]).exists()
    assert not {"OCI_CLI_USER", "ANTHROPIC_API_KEY"} & set(call["env"])
    assert call["env"]["NO_PROXY"] == "*"  # as our own connections to this machine
    assert (stage.workspace.state / ".aidp/payloads/case-001-create-job-etl.json").exists()
    api.send("PUT", "/jobs/k1", BODY, what="update", etag='"e1"')
    words = stage.calls()[-1]["words"]
    assert words[words.index("--if-match") + 1] == json.dumps('"e1"')


@pytest.mark.parametrize(
    ("method", "path", "command"),
    [
        ("GET", "/jobs/k", ["get-job", "k"]),
        ("PUT", "/jobs/k", ["update-job", "k"]),
        ("POST", "/jobRuns", ["create-job-run"]),
        ("GET", "/jobRuns/r", ["get-job-run", "r"]),
        ("POST", "/jobRuns/r/actions/repair", ["repair-job-run", "r"]),
        ("POST", "/jobRuns/r/actions/cancel", ["cancel-job-run", "r"]),
        ("POST", "/jobs/k/actions/cancelJobRuns", ["cancel-job-runs", "k"]),
        ("GET", "/taskRuns/t", ["get-task-run", "t"]),
        ("POST", "/taskRuns/t/actions/fetchOutput", ["fetch-output", "t"]),
        ("POST", "/taskRuns/t/outputs/o/actions/export", ["export-task-run-output", "t", "o"]),
    ],
)
def test_each_kind_of_call_has_its_command(
    stage: Stage, method: str, path: str, command: list[str]
) -> None:
    stage.replies(MADE)
    api = stage.api()
    if method == "GET":
        query = {"shouldIncludeTaskRunSummaries": True} if "jobRuns" in path else {}
        assert api.get(path, **query)["key"] == "k1"
    elif path.endswith(("fetchOutput", "export")):
        assert api.ask(path, {"outputKey": ""})["key"] == "k1"
    else:
        body = None if "cancel" in path else {"jobKey": "k"}
        assert api.send(method, path, body, what="x").body["key"] == "k1"
    (call,) = stage.calls()
    words = call["words"]
    at = words.index("workflow")
    assert words[at + 1 : at + 2 + len(command)] == [
        command[0],
        stage.workspace.sim.workspace,
        *command[1:],
    ]
    assert ("--should-include-task-run-summaries" in words) == (path == "/jobRuns/r")
    assert (call["body"] is None) == (method == "GET" or "cancel" in path)


def test_lists_files_and_deletes_stay_with_rest(stage: Stage) -> None:
    api = stage.api()
    for call in (
        lambda: list(api.pages("/jobs")),
        lambda: list(api.pages("/jobRuns", jobKey="k")),
        lambda: api.send("DELETE", "/jobs/k", what="delete"),
        lambda: api.send("POST", "/objects", what="x", content=b"x", headers={"path": "a"}),
        lambda: api.raw("/objects/a"),
    ):
        with pytest.raises(Unavailable, match="cannot reach"):
            call()
    assert stage.calls() == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidParameter", ApiRefused),
        (401, "NotAuthenticated", Unauthorized),
        (404, "NotAuthorizedOrNotFound", NotFound),
        (409, "IncorrectState", Conflict),
        (412, "NoEtagMatch", Stale),
        (429, "TooManyRequests", Unavailable),
        (500, "InternalError", Unavailable),
    ],
)
def test_errors_become_what_they_are_over_rest(
    stage: Stage, status: int, code: str, kind: type[Exception]
) -> None:
    api = stage.api()
    stage.replies({"status": status, "code": code, "message": "so it is", "opc-request-id": "x"})
    with pytest.raises(kind, match="so it is"):
        api.send("PUT", "/jobs/k", BODY, what="update")
    stage.replies({"exit": status % 256, "said": "nothing that can be read"})
    with pytest.raises(kind) as said:
        api.send("PUT", "/jobs/k", BODY, what="update")
    assert ("not known" in str(said.value)) == (status == 500)
    assert [c["words"].count("update-job") for c in stage.calls() if c["body"]] == [1, 1]


def test_an_unknown_outcome_is_never_sent_again(stage: Stage) -> None:
    api = stage.api()
    stage.replies({"exit": 1, "said": "aidp: error: request failed: connection aborted"})
    with pytest.raises(Unavailable, match="connection aborted; whether it was carried out is not"):
        api.send("POST", "/jobRuns", {"jobKey": "k"}, what="run", token=ONCE)
    stage.replies({"exit": 0, "said": "no JSON"})
    with pytest.raises(Unavailable, match="whether it was carried out is not known"):
        api.send("POST", "/jobRuns", {"jobKey": "k"}, what="run", token=ONCE)
    stage.replies({"exit": 2, "said": "aidp: error: OCI config error: no such profile"})
    with pytest.raises(UsageError, match="no such profile"):
        api.send("POST", "/jobRuns", {"jobKey": "k"}, what="run", token=ONCE)
    assert len(stage.calls()) == 3


STALE = {"status": 412, "code": "NoEtagMatch", "message": "changed", "opc-request-id": "x"}


@pytest.mark.parametrize(
    ("there", "ours"),
    [
        ({}, True),
        ({"timeoutSeconds": 0, "key": "k", "timeUpdated": "2026-07-01T10:00:00.000Z"}, True),
        ({"description": "somebody else's"}, False),
        ({"continuous": {"pauseStatus": "UNPAUSED"}}, False),
    ],
)
def test_an_update_that_the_command_sent_twice_is_read_back(
    stage: Stage, there: dict[str, Any], ours: bool
) -> None:
    api = stage.api()
    stage.replies(STALE, {**MADE, "data": {**BODY, **there}})
    if ours:
        answer = api.send("PUT", "/jobs/k", BODY, what="update", etag='"e0"')
        assert (answer.body, answer.etag) == ({**BODY, **there}, '"e1"')
    else:
        with pytest.raises(Stale, match="changed"):
            api.send("PUT", "/jobs/k", BODY, what="update", etag='"e0"')
    words = [word for call in stage.calls() for word in call["words"] if word.endswith("-job")]
    assert words == ["update-job", "get-job"]


@pytest.mark.parametrize("named", [(), ("SSL_CERT_FILE",), ("REQUESTS_CA_BUNDLE",), BUNDLES])
def test_it_trusts_the_certificates_that_our_own_connections_trust(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    for name in named:
        (stage.folder / name).write_text(f"as {name} says")
        monkeypatch.setenv(name, str(stage.folder / name))
    stage.replies(MADE)
    stage.api().get("/jobs/k")
    (call,) = stage.calls()
    assert call["trusts"] == "\n".join(f"as {name} says" for name in named)


def test_a_command_that_hangs_is_stopped(stage: Stage) -> None:
    stage.replies({"hang": True, **MADE})
    session = stage.workspace.connect(aidp={"command": [str(stage.folder / "aidp")]})
    api = session.api
    command = Official(session.aidp, api.auth, timeout_s=0.3)
    there = Api(api._connection, api._payloads, command)
    with pytest.raises(Unavailable, match="did not end within 0 s; whether it was carried out"):
        there.send("POST", "/jobRuns", {"jobKey": "k"}, what="run", token=ONCE)
    assert len(stage.calls()) == 1


def test_a_session_token_that_was_renewed_meanwhile_is_used(stage: Stage) -> None:
    stage.replies(MADE, {"status": 401, "code": "NotAuthenticated", "message": "expired"}, MADE)
    api = stage.api("SESSION")
    assert api.get("/jobs/k")["key"] == "k1"
    identity.refresh(stage.workspace.sim)
    assert api.get("/jobs/k")["key"] == "k1"
    assert len(stage.calls()) == 3


def test_older_instances_and_plain_http_are_refused(stage: Stage) -> None:
    with pytest.raises(UsageError, match="does not know the paths of 20240831/dataLakes"):
        stage.api(api="20240831/dataLakes")
    with pytest.raises(UsageError, match="takes https only"):
        stage.api(endpoint=stage.workspace.sim.url)


def test_a_command_that_is_not_there_is_said_before_anything_is_sent(stage: Stage) -> None:
    api = stage.api(command=["no-such-aidp"])
    for call in (
        lambda: api.send("POST", "/jobs", BODY, what="create", token=ONCE),
        lambda: api.send("POST", "/objects", what="x", content=b"x", headers={"path": "a"}),
        lambda: list(api.pages("/jobs")),
    ):
        with pytest.raises(UsageError, match=r"'no-such-aidp'.* is not there: `pip install aidp-"):
            call()


def test_a_command_that_cannot_be_run_is_said(stage: Stage) -> None:
    (stage.folder / "aidp").write_text("#!/no/such/python")
    with pytest.raises(UsageError, match=r"bin/aidp cannot be run: .*No such file"):
        stage.api().get("/jobs/k")


def test_a_clock_that_is_off_is_named_and_no_new_login_is_asked_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # `oci` is not looked for, or that would be said
    words = "Date 'x' is not within allowed clock skew. Current 'y', valid datetime range: ['z']"
    stage.replies({"status": 401, "code": "NotAuthenticated", "message": words})
    with pytest.raises(Unauthorized, match=r"by too much: set the clock$"):
        stage.api("SESSION").get("/jobs/k")
    assert len(stage.calls()) == 1


def test_the_version_is_read(stage: Stage) -> None:
    session = stage.workspace.connect(aidp={"command": [str(stage.folder / "aidp")]})
    assert Official(session.aidp, session.api.auth).version() == "5.1.1"

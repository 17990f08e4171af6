"""The API: nothing sent twice, no false empty lists, what refusals become, where it is reached."""

import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aidp_workspace import Workspace

from agent.errors import Unauthorized, Unavailable, UsageError
from agent.platforms.aidp import base, session
from agent.platforms.aidp.api import ApiRefused, Conflict, NotFound, ServerError, Stale
from agent.playbook.records import Aidp
from agent.simulators.aidp import certificate
from agent.simulators.loopback import Listener, Reply

INSTANCE = "ocid1.aidataplatform.oc1.iad.aaaa"
ONCE = "3f0e6c1d"
KEY = "98d06c4f-0000-4000-8000-000000000001"
BODY = {"name": "etl", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}


class Elsewhere:
    """A server that is no AIDP: a proxy, an object store. It answers as it is told."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.replies: list[Reply] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        """Return the next reply; the last one again and again."""
        self.requests.append((method, target, headers, raw))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def trouble(self, status: int, message: str) -> Reply:
        """Never asked for."""
        return Reply(status, {"message": message})


@pytest.fixture
def elsewhere() -> Iterator[tuple[Elsewhere, str]]:
    """Serve such a server."""
    server = Elsewhere()
    listener = Listener(server, 0)
    yield server, listener.url
    listener.close()
    assert server.problems == []


def test_host_api_instance_and_workspace_are_one_unit() -> None:
    given = Aidp(instance=INSTANCE, workspace="rehearsal", region="eu-paris-1")
    found = base.resolve(given, "us-ashburn-1", {"OCI_CLI_REGION": "uk-london-1"})
    assert found.host == "https://aidp.eu-paris-1.oci.oraclecloud.com"
    assert found.below(KEY).endswith(f"/20260430/aiDataPlatforms/{INSTANCE}/workspaces/{KEY}")
    env = {
        "AIDP_ENDPOINT": "http://localhost:8080/",
        "AIDP_INSTANCE_ID": INSTANCE,
        "AIDP_WORKSPACE": KEY,
    }
    found = base.resolve(Aidp(api="20240831/dataLakes"), None, env)
    assert found.root == f"http://localhost:8080/20240831/dataLakes/{INSTANCE}"
    assert (found.workspace, found.has_key, found.local) == (KEY, True, True)
    env = {"AIDP_INSTANCE_ID": INSTANCE, "AIDP_WORKSPACE": "w", "OCI_CLI_REGION": "uk-london-1"}
    assert "uk-london-1" in base.resolve(Aidp(), "us-ashburn-1", env).host


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"instance": ""}, "AIDP_INSTANCE_ID"),
        ({"instance": "my-instance"}, "is no OCID"),
        ({"workspace": ""}, "AIDP_WORKSPACE"),
        ({"region": None}, "OCI_CLI_REGION"),
        ({"region": "evil.example/x"}, "is no region"),
        ({"endpoint": "http://aidp.example.com"}, "only for this machine"),
        ({"endpoint": "https://h/20260430/aiDataPlatforms"}, "has a path"),
        ({"endpoint": "aidp.example.com"}, "is no address"),
        ({"endpoint": "https://me:secret@h"}, "holds a login"),
    ],
)
def test_what_is_missing_or_wrong_is_said_with_what_to_set(more: dict[str, Any], said: str) -> None:
    given = {"instance": INSTANCE, "workspace": KEY, "region": "eu-paris-1", **more}
    with pytest.raises(UsageError, match=said) as wrong:
        base.resolve(Aidp(**given), None, {})
    assert "secret" not in str(wrong.value)


def test_a_workspace_may_be_given_by_its_name(workspace: Workspace) -> None:
    named = workspace.connect(aidp={"workspace": "rehearsal"})
    assert named.workspace() == named.workspace() == workspace.sim.workspace
    assert len(workspace.sim.calls) == 1
    with pytest.raises(UsageError, match="no workspace is named 'prod'; there is rehearsal"):
        workspace.connect(aidp={"workspace": "prod"}).api.get("/jobs")


def test_pages_are_followed_until_the_token_is_absent_or_comes_again(workspace: Workspace) -> None:
    api = workspace.connect().api
    names = [f"job_{n}" for n in range(7)]
    for name in names:
        api.send("POST", "/jobs", {**BODY, "name": name}, what="create")
    before = api.calls
    assert {job["name"] for job in api.pages("/jobs", limit=3)} == set(names)
    assert api.calls - before == 3
    assert len(list(api.pages("/jobs", cap=4, limit=3))) == 4
    assert workspace.called("GET", "/jobs")[0].query == {"limit": "3"}
    workspace.sim.options = workspace.sim.options.model_copy(update={"page_repeats": True})
    assert len(list(api.pages("/jobs", limit=3))) >= 3
    assert list(api.pages("/jobRuns", jobKey=[KEY, KEY])) == []  # sorted, or it is refused
    assert "sortBy=timeCreated" in workspace.sim.calls[-1].target
    assert workspace.sim.calls[-1].target.count(f"jobKey={KEY}") == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html><title>Sign in</title></html>", {"Content-Type": "text/html"}),
        Reply(200, {"jobs": []}),
        Reply(200, [1]),
        Reply(200, {"items": ["a"]}),
        Reply(200, b""),
        Reply(204, b""),
        Reply(502, b"<html><title>Bad Gateway</title></html>", {"Content-Type": "text/html"}),
    ],
)
def test_an_answer_that_is_no_list_is_never_an_empty_one(
    workspace: Workspace, elsewhere: tuple[Elsewhere, str], reply: Reply
) -> None:
    server, url = elsewhere
    server.replies = [reply]
    with pytest.raises(Unavailable):
        list(workspace.connect(aidp={"endpoint": url}).api.pages("/jobs"))


def test_no_redirect_is_followed(workspace: Workspace, elsewhere: tuple[Elsewhere, str]) -> None:
    server, url = elsewhere
    server.replies = [Reply(302, {}, {"Location": "https://login.example.com/"})]
    with pytest.raises(Unauthorized, match=r"sends us to https://login\.example\.com/"):
        workspace.connect(aidp={"endpoint": url}).api.get("/jobs")
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["429", "503", "500", "drop_before", "drop_after", "html"])
def test_not_now_is_unavailable_and_no_change_is_sent_twice(
    workspace: Workspace, kind: str
) -> None:
    api = workspace.connect().api
    workspace.sim.faults.add("POST /jobs", kind, retry_after="seconds", seconds=7)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="POST /jobs: ") as said:
        api.send("POST", "/jobs", BODY, what="create", token=ONCE)
    assert len(workspace.called("POST", "/jobs")) == 1
    assert ("whether it was carried out is not known" in str(said.value)) == (kind != "429")
    assert said.value.retry_after_s == (7 if kind in ("429", "503") else None)
    assert isinstance(said.value, ServerError) == (kind in ("503", "500", "html"))


def test_a_lost_reply_is_asked_for_with_the_same_token(workspace: Workspace) -> None:
    api = workspace.connect().api
    workspace.sim.faults.add("POST /jobs", "drop_after")
    with pytest.raises(Unavailable):
        api.send("POST", "/jobs", BODY, what="create", token=ONCE)
    assert api.send("POST", "/jobs", BODY, what="create", token=ONCE).status == 201
    assert len(list(api.pages("/jobs"))) == 1


def test_a_read_whose_kept_connection_was_closed_is_sent_again(workspace: Workspace) -> None:
    api = workspace.connect().api
    workspace.sim.faults.add("GET /jobs", "drop_before")
    assert list(api.pages("/jobs")) == []
    first, second = workspace.called("GET", "/jobs")
    assert (first.status, second.status) == (0, 200)


def test_refusals_keep_the_services_words(workspace: Workspace) -> None:
    api = workspace.connect().api
    made = api.send("POST", "/jobs", BODY, what="create")
    path = f"/jobs/{made.body['key']}"
    with pytest.raises(Conflict, match="already exists"):
        api.send("POST", "/jobs", BODY, what="create")
    with pytest.raises(ApiRefused, match="name must not be null") as refused:
        api.send("PUT", path, {"path": "/Workspace/Shared"}, what="update")
    assert (refused.value.status, refused.value.code) == (400, "InvalidParameter")
    with pytest.raises(NotFound, match="either it does not exist or we may not see it"):
        api.get(f"/jobs/{KEY}")
    read = api.read(path)
    assert read.etag is not None
    assert (
        api.send("PUT", path, {**BODY, "description": "x"}, what="u", etag=read.etag).status == 202
    )
    with pytest.raises(Stale):
        api.send("PUT", path, BODY, what="update", etag=read.etag)


def test_a_closed_port_is_unavailable_within_seconds(workspace: Workspace) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="cannot reach") as said:
        workspace.connect(aidp={"endpoint": url}).api.send("POST", "/jobs", BODY, what="create")
    assert "not known" not in str(said.value)
    assert time.monotonic() - begun < 10


def test_a_pre_authenticated_link_is_not_signed_not_shown_and_kept_with_the_payloads(
    workspace: Workspace, elsewhere: tuple[Elsewhere, str]
) -> None:
    server, url = elsewhere
    link = f"{url}/p/Zx9-secret-part-of-a-link/n/b/o/x.py"
    server.replies = [Reply(200, b"print(1)\n"), Reply(200, b""), Reply(404, b"gone")]
    api = workspace.connect().api
    assert api.par_get(link) == b"print(1)\n"
    api.par_put(link, b"print(2)\n", what="upload-x.py")
    with pytest.raises(NotFound, match="has expired") as gone:
        api.par_get(link)
    assert "Zx9" not in str(gone.value)
    for _, target, headers, _ in server.requests:
        assert target.startswith("/p/")
        assert not {"authorization", "opc-retry-token", "x-content-sha256"} & set(headers)
    assert server.requests[1][3] == b"print(2)\n"
    (file,) = (workspace.state / ".aidp/payloads").iterdir()
    assert json.loads(file.read_text()) == "print(2)\n"
    with pytest.raises(Unauthorized, match="not reached by https"):
        api.par_get("http://objectstorage.example.com/p/x")


@pytest.mark.parametrize("named", ["key", "rehearsal"])
def test_a_404_that_means_the_whole_workspace_is_told_from_others(
    workspace: Workspace, named: str
) -> None:
    sim = workspace.sim
    where = {} if named == "key" else {"workspace": named}
    for options, said in (
        ({"families": ("LA",)}, r"answers to `api: 20240831/dataLakes`.*`runmend doctor PLAYBOOK`"),
        ({"families": ()}, "either we may not see it"),
    ):
        sim.options = sim.options.model_copy(update=options)
        with pytest.raises(Unauthorized, match=said):
            workspace.connect(aidp=where).api.get("/jobs")
    sim.options = sim.options.model_copy(update={"families": ("GA",)})
    with pytest.raises(NotFound):
        workspace.connect(aidp=where).api.get("/jobs/no-such")
    sim.faults.add("GET /jobs", "404")
    with pytest.raises(NotFound):
        list(workspace.connect(aidp=where).api.pages("/jobs"))
    sim.faults.add("GET /jobs", "404")
    sim.faults.add("GET /workspaces/*", "503")
    with pytest.raises(NotFound):
        list(workspace.connect().api.pages("/jobs"))


def test_a_self_signed_certificate_is_trusted_where_the_environment_names_it(
    workspace: Workspace,
) -> None:
    server = Elsewhere()
    server.replies = [Reply(200, {"items": []})]
    pem = certificate.certify(workspace.folder / "tls")
    listener = Listener(server, 0, certificate.secured(pem))
    try:
        plain = workspace.connect(aidp={"endpoint": listener.url})
        with pytest.raises(UsageError, match="set SSL_CERT_FILE or REQUESTS_CA_BUNDLE"):
            plain.api.get("/jobs")
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            context = workspace.context(aidp={"endpoint": listener.url})
            env = {**os.environ, name: str(pem)}
            assert session.connect(context, env).api.get("/jobs") == {"items": []}
        env = {**os.environ, name: str(workspace.folder / "none.pem")}
        with pytest.raises(UsageError, match="holds no certificates"):
            session.connect(context, env).api.get("/jobs")
    finally:
        listener.close()
    assert server.problems == []

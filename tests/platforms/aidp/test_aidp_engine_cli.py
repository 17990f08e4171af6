"""`--engine cli` with Oracle's own `aidp`, against `runmend simulate aidp --tls`."""

import json
import os
import re
import ssl
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aidp_cases import notebook
from aidp_processes import FAST, RUNMEND, Done, run

from agent.errors import Unauthorized
from agent.platforms import Context
from agent.platforms.aidp import session
from agent.platforms.aidp.api import Api, ApiRefused, Forbidden, NotFound, Stale
from agent.playbook import load

pytestmark = pytest.mark.slow

ORACLE = "Oracle-PythonSDK/"
BY_COMMAND = re.compile(
    r"POST /jobs|(GET|PUT) /jobs/[^/]+|POST /jobRuns|GET /jobRuns/[^/]+|GET /taskRuns/[^/]+"
    r"|POST /jobRuns/[^/]+/actions/(repair|cancel)|POST /taskRuns/[^/]+/actions/fetchOutput"
)
ORDERS = "id,amount\n1,12.5\n2,7.5\n"
READS = "import csv\norders = list(csv.DictReader(open('orders.csv')))"
WRONG = "total = sum(float(order['amuont']) for order in orders)"
SAYS = (
    "import json\nresult = {'status': 'SUCCESS', 'total': 2, 'successful': 2, 'failed': 0}\n"
    "print('RUNMEND_RESULT_BEGIN', json.dumps(result), 'RUNMEND_RESULT_END')"
)


class Served:
    """A served workspace, and a job on this machine that is to be carried there."""

    def __init__(self, told: dict[str, Any], folder: Path, programs: Path) -> None:
        self.told = told
        self.folder = folder
        self.programs = programs
        trusted = ssl.create_default_context(cafile=told["certificate"])
        self._http = httpx.Client(base_url=told["url"], verify=trusted, trust_env=False)
        source = folder / "source"
        source.mkdir()
        (source / "orders.csv").write_text(ORDERS)
        (source / "load.ipynb").write_text(notebook(READS, WRONG, SAYS))
        task = {"type": "NOTEBOOK_TASK", "taskKey": "load", "runIf": "ALL_SUCCESS"}
        job = {"name": "orders.job", "tasks": [{**task, "notebookPath": "load.ipynb"}]}
        (source / "job.yaml").write_text(yaml.safe_dump(job))

    def book(self, **keys: Any) -> Path:
        """Write the playbook."""
        told = self.told
        named = ("config_file", "workspace")
        aidp = {name: told[name] for name in named} | {
            "instance": told["instance_id"],
            "endpoint": told["url"],
            "cluster": told["cluster_name"],
            **keys.pop("aidp", {}),
        }
        book = {
            "platform": "aidp",
            "name": "orders",
            "production": False,
            "source": "source",
            "job": {"file": "job.yaml"},
            "verify": [{"task": "load", "expect": "total >= 2"}],
            "idempotent": True,
            "approve": {"mode": "auto"},
            "model": "none",
            "poll": FAST,
            "aidp": aidp,
            **keys,
        }
        path = self.folder / "playbook.yaml"
        path.write_text(yaml.safe_dump(book))
        return path

    def heal(self, *words: str, path: bool = True, **env: str) -> Done:
        """Run `heal --engine cli`; `path`: Oracle's command is on the PATH."""
        # Only one name of the two: the command itself knows the other alone.
        trust = {"SSL_CERT_FILE": self.told["certificate"]}
        known = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        more = {**trust, **({"PATH": known} if path else {}), **env}
        return run(self.folder, "heal", self.book(), "--engine", "cli", *words, **more)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def control(self, what: str, body: dict[str, Any]) -> None:
        """Tell the simulator what goes wrong, or how a task goes."""
        self._http.post(f"/__simulator/{what}", json=body).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        """Return what was asked for so far."""
        calls = self._http.get("/__simulator/calls").json()["calls"]
        return [call for call in calls if not call["path"].startswith("/__simulator")]

    def by_command(self) -> Counter[str]:
        """Return how often the command asked for what; it and only it asks for these."""
        seen = Counter[str]()
        for call in self.calls():
            asked = f"{call['method']} {call['path']}"
            by_oracle = call["headers"]["user-agent"].startswith(ORACLE)
            assert by_oracle == (BY_COMMAND.fullmatch(asked) is not None), asked
            if by_oracle:
                assert call["headers"]["opc-request-id"].startswith("aidp-cli-")
                seen[re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "*", asked)] += 1
        return seen

    def api(self, monkeypatch: pytest.MonkeyPatch, **aidp: Any) -> Api:
        """Connect in this process."""
        for name in [n for n in os.environ if n.startswith(("OCI_", "AIDP_", "REQUESTS_CA"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("SSL_CERT_FILE", self.told["certificate"])
        command = {"engine": "cli", "command": [str(self.programs / "aidp")]}
        loaded = load(self.book(aidp={**command, **aidp}))
        return session.connect(Context(loaded, self.folder / "api", self.folder / "cache")).api


@pytest.fixture
def served(tmp_path: Path, installed: Callable[..., Path]) -> Iterator[Served]:
    """Serve a workspace over HTTPS from a process of its own."""
    command = [RUNMEND, "simulate", "aidp", "--tls", "--state", tmp_path / "workspace"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        here = Served(told, tmp_path, installed("aidp-cli==5.1.1"))
        yield here
        here.close()
        process.terminate()
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, "")


def test_a_broken_notebook_job_is_healed_by_the_command_though_replies_are_lost(
    served: Served,
) -> None:
    lost = {"kind": "drop_after"}
    served.control("faults", {"where": "PUT /jobs/*", **lost})
    served.control("faults", {"where": "POST /jobRuns", **lost})
    done = served.heal("-o", "json")
    assert done.code == 0, done.said
    found = json.loads(done.out)
    assert (found["verdict"], found["verified"]) == ("healed", True)
    runs = [run for i in found["iterations"] for run in i["runs"]]
    assert [run["state"] for run in runs] == ["failed", "succeeded"]
    assert runs[1]["repairs"] == runs[0]["run"]
    assert "somebody else" not in done.said  # its own update came twice: 412 at the second
    calls = served.calls()
    puts = [c["status"] for c in calls if c["method"] == "PUT" and c["path"].startswith("/jobs/")]
    assert puts == [0, 412]
    started = [c for c in calls if (c["method"], c["path"]) == ("POST", "/jobRuns")]
    assert [call["status"] for call in started] == [0, 201]
    assert len({call["headers"]["opc-retry-token"] for call in started}) == 1
    seen = served.by_command()
    for asked in ("POST /jobs", "PUT /jobs/*", "POST /jobRuns", "POST /jobRuns/*/actions/repair"):
        assert seen[asked] > 0, asked
    for asked in ("GET /jobs/*", "GET /jobRuns/*", "POST /taskRuns/*/actions/fetchOutput"):
        assert seen[asked] > 0, asked
    assert len(found["payloads"]) == len(set(found["payloads"])) > 8


def test_a_run_past_its_deadline_is_cancelled_by_the_command(served: Served) -> None:
    path = f"{served.programs}{os.pathsep}{os.environ['PATH']}"
    served.control("outcomes", {"job": "*", "task": "load", "outcome": {"seconds": 3600}})
    (served.folder / "source" / "load.ipynb").write_text(notebook("print(1)"))
    poll = {**FAST, "deadline": "5s"}
    env = {"SSL_CERT_FILE": served.told["certificate"], "PATH": path}
    done = run(served.folder, "heal", served.book(poll=poll), "--engine", "cli", **env)
    assert done.code not in (0, 2, 70), done.said
    assert served.by_command()["POST /jobRuns/*/actions/cancel"] == 1
    (cancel,) = [c for c in served.calls() if c["path"].endswith("/cancel")]
    assert cancel["status"] == 202


def test_what_the_service_refuses_becomes_what_it_is_over_rest(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = served.api(monkeypatch)
    key = "98d06c4f-0000-4000-8000-000000000001"
    with pytest.raises(NotFound, match=r"either it does not exist or we may not see it \(404"):
        api.get(f"/jobs/{key}")
    body = {"name": "no-hyphens", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
    with pytest.raises(ApiRefused, match=r"\(400 InvalidParameter\)") as refused:
        api.send("POST", "/jobs", body, what="create")
    assert refused.value.status == 400
    kinds: dict[str, type[Exception]] = {"401": Unauthorized, "403": Forbidden, "412": Stale}
    for kind, error in kinds.items():
        served.control("faults", {"where": "GET /jobs/*", "kind": kind})
        with pytest.raises(error, match=rf"\({kind} "):
            api.get(f"/jobs/{key}")
    assert all(call["headers"]["user-agent"].startswith(ORACLE) for call in served.calls()[2:])


def test_a_missing_command_and_an_untrusted_service_are_wrong_usage(served: Served) -> None:
    done = served.heal(path=False)
    assert done.code == 2
    assert "'aidp', which engine: cli needs, is not there: `pip install aidp-cli`" in done.said
    assert served.calls() == []
    done = served.heal(SSL_CERT_FILE="")
    assert done.code == 2
    assert "set SSL_CERT_FILE or REQUESTS_CA_BUNDLE to the certificates to trust" in done.said
    assert served.calls() == []

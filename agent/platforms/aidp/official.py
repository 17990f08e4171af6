"""`--engine cli`: the official `aidp` command creates, updates, runs, reads, repairs and cancels.

Rules kept here: one start of the command per request, never a second one for an unknown outcome; a
login that was refused and could be renewed is a known one. Bodies go through a private file that is
deleted. The command itself sends a request again on 429, 5xx and a broken connection, always with
the retry token it was given; an update that was carried out and is sent again is then refused as
changed meanwhile (412), so what is there is read back. What it has no filters for (lists), files,
clusters and deletes stay with REST. It is refused for older instances, whose paths it does not
know, and for plain http.

Forms, answers and exit codes: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/sdk-cli.html
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from agent.errors import Unavailable, UsageError
from agent.platforms.aidp import definitions, schedules
from agent.platforms.aidp.auth import Auth
from agent.platforms.aidp.base import OLDER, Base
from agent.platforms.aidp.connection import BUNDLES, Answer, Asked, not_trusted
from agent.platforms.aidp.refusals import Said, Stale, refusal
from agent.playbook.records import Aidp
from agent.remote.answers import clean
from agent.remote.refusals import NOT_KNOWN

_TIMEOUT_S = 180.0
"""Of one start; within it the command waits and sends again where the service is not well."""
_CALL_S = "60"
_KEY = r"([^/?]+)"
_COMMANDS = {
    "POST /jobs": "create-job",
    f"GET /jobs/{_KEY}": "get-job",
    f"PUT /jobs/{_KEY}": "update-job",
    "POST /jobRuns": "create-job-run",
    f"GET /jobRuns/{_KEY}": "get-job-run",
    f"POST /jobRuns/{_KEY}/actions/repair": "repair-job-run",
    f"POST /jobRuns/{_KEY}/actions/cancel": "cancel-job-run",
    f"POST /jobs/{_KEY}/actions/cancelJobRuns": "cancel-job-runs",
    f"GET /taskRuns/{_KEY}": "get-task-run",
    f"POST /taskRuns/{_KEY}/actions/fetchOutput": "fetch-output",
    f"POST /taskRuns/{_KEY}/outputs/{_KEY}/actions/export": "export-task-run-output",
}
_HEADERS = ("opc-retry-token", "if-match", "should-update-recent")
_NETWORK, _USAGE = 1, 2
_VERSION = re.compile(r"\d+(?:\.\d+)+")


class _Ended(NamedTuple):
    code: int
    out: str
    err: str


def check(base: Base) -> None:
    """Raise `UsageError` where an instance cannot be reached by the command."""
    if base.api == OLDER:
        raise UsageError(
            f"the official command does not know the paths of {OLDER}: use `engine: rest` "
            "(--engine rest) for this instance"
        )
    if not base.host.startswith("https:"):
        raise UsageError(
            f"the official command takes https only, and the endpoint is {base.host}: use "
            "`engine: rest` (--engine rest), or serve the simulator with --tls"
        )


class Official:
    """The command of one case."""

    def __init__(self, settings: Aidp, auth: Auth, timeout_s: float = _TIMEOUT_S) -> None:
        self._words = settings.command
        self._auth = auth
        self._timeout_s = timeout_s

    def takes(self, asked: Asked) -> bool:
        """Return whether the command has a form for this request."""
        ours = asked.content is None and all(name in _HEADERS for name in asked.headers)
        return ours and not asked.instance and _form(asked) is not None

    def answer(self, asked: Asked, base: Base, workspace: str) -> Answer:
        """Return the command's answer to a request that it `takes`."""
        form = _form(asked)
        if form is None:
            raise ValueError(f"not for the command: {asked.call}")
        options = {_option(k): v for k, v in asked.query.items() if v is not None}
        flags = _flags(options | dict(asked.headers))
        command, keys = form
        arguments = [*self._globals(base), "workflow", command, workspace, *keys, *flags]
        by_token = self._auth.identity.kind == "security_token"  # others it renews by itself
        if by_token:
            self._auth.ready()
        ended = self._asked(asked, arguments, base)
        if by_token and self._may_renew(ended) and self._auth.renew():
            ended = self._asked(asked, arguments, base)
        try:
            return self._read(asked, ended)
        except Stale:
            there = self._as_put(asked, base, workspace)
            if there is None:
                raise
            return there

    def there(self) -> None:
        """Raise `UsageError` where the command is missing."""
        self._command(self._auth.environment())

    def version(self) -> str:
        """Return its version. Raises `UsageError` where it is missing or says none."""
        ended = self._run(["version"], None)
        found = _VERSION.search(ended.out + ended.err)
        if ended.code != 0 or found is None:
            said = clean(ended.out + ended.err)[:200] or "nothing"
            raise UsageError(f"`{shlex.join([*self._words, 'version'])}` says no version: {said}")
        return found[0]

    def _globals(self, base: Base) -> Iterator[str]:
        """Say which instance and which login; the environment has no word in it."""
        identity = self._auth.identity
        yield from ("--endpoint", base.host, "--instance-id", base.instance)
        yield from ("--auth", identity.kind, "--timeout", _CALL_S)
        if identity.profile is not None:
            yield from ("--profile", identity.profile, "--config-file", str(identity.file))
        if self._auth.region:
            yield from ("--region", self._auth.region)

    def _may_renew(self, ended: _Ended) -> bool:
        status = _status(ended)
        if status not in (401, 403):
            return False
        words = str((_printed(ended.err) or {}).get("message") or "")
        return not self._auth.clock(status, words)

    def _as_put(self, asked: Asked, base: Base, workspace: str) -> Answer | None:
        """Return the job where it is as we put it, for all that an etag says otherwise."""
        if asked.method != "PUT" or asked.body is None:
            return None
        found = self.answer(Asked("GET", asked.path), base, workspace)
        same = definitions.normal(found.body) == definitions.normal(asked.body)
        as_paused = schedules.goes_on(found.body) == schedules.goes_on(asked.body)
        return found if same and as_paused else None

    def _asked(self, asked: Asked, arguments: Sequence[str], base: Base) -> _Ended:
        needs_body = asked.body is not None or asked.path.endswith("/fetchOutput")
        try:
            if not needs_body:
                return self._run(arguments, base)
            with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
                json.dump(dict(asked.body or {}), file)
                file.flush()
                return self._run([*arguments, "--body", f"@{file.name}"], base)
        except subprocess.TimeoutExpired as error:
            unknown = NOT_KNOWN if asked.changes else ""
            said = f"the command {self._words[0]} did not end within {self._timeout_s:.0f} s"
            raise Unavailable(f"{asked.call}: {said}{unknown}") from error

    def _command(self, env: Mapping[str, str]) -> str:
        command = shutil.which(self._words[0], path=env.get("PATH", os.defpath))
        if command is None:
            raise UsageError(
                f"the command {self._words[0]!r}, which engine: cli needs, is not there: `pip "
                "install aidp-cli`, name yours as aidp.command, or use `engine: rest` "
                "(--engine rest)"
            )
        return command

    def _run(self, arguments: Sequence[str], base: Base | None) -> _Ended:
        env = {n: v for n, v in self._auth.environment().items() if not n.startswith("OCI_CLI_")}
        command = self._command(env)
        if base is not None and base.local:
            env["NO_PROXY"] = env["no_proxy"] = "*"  # as our own connections to this machine
        try:
            with _trusting(env) as env:
                done = subprocess.run(  # noqa: S603  the user's own command, without a shell
                    [command, *self._words[1:], *arguments],
                    env=env,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=self._timeout_s,
                    check=False,
                )
        except OSError as error:
            raise UsageError(f"the command {command} cannot be run: {error}") from error
        out, err = (part.decode("utf-8", "replace") for part in (done.stdout, done.stderr))
        return _Ended(done.returncode, out, err)

    def _read(self, asked: Asked, ended: _Ended) -> Answer:
        """Return what it printed. Raises what its error means."""
        unknown = NOT_KNOWN if asked.changes else ""
        printed = _printed(ended.out)
        if ended.code == 0 and printed is not None and isinstance(printed.get("status"), int):
            given = printed.get("headers")
            headers = given if isinstance(given, Mapping) else {}
            named = {str(name).lower(): str(value) for name, value in headers.items()}
            body = printed.get("data")
            found = body if isinstance(body, dict) else {}
            return Answer(found, named.get("etag"), int(printed["status"]), named)
        status = _status(ended)
        if status is not None:
            said = _printed(ended.err) or {}
            code, words = str(said.get("code") or ""), clean(said.get("message") or "")
            what = Said(asked.call, status, code, words, asked.changes)
            to_do = self._auth.what_to_do(status, words)
            raise refusal(what, self._auth.identity.who, to_do)
        words = clean(ended.err or ended.out)[:500] or f"nothing, exit code {ended.code}"
        call = f"{asked.call}: the command {self._words[0]} says: {words}"
        if ended.code == _USAGE:
            raise UsageError(call)
        raise not_trusted(call) or Unavailable(f"{call}{unknown}")


@contextmanager
def _trusting(env: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Let the command, which knows REQUESTS_CA_BUNDLE alone, trust what our own connections do."""
    named = [env[name] for name in BUNDLES if env.get(name)]
    if len(set(named)) < 2 or any(not Path(name).is_file() for name in named):
        yield {**env, **({"REQUESTS_CA_BUNDLE": named[0]} if named else {})}
        return
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(b"\n".join(Path(name).read_bytes() for name in named))
        file.flush()
        yield {**env, "REQUESTS_CA_BUNDLE": file.name}


def _form(asked: Asked) -> tuple[str, tuple[str, ...]] | None:
    """Return the command for a request and the keys it names."""
    for form, command in _COMMANDS.items():
        if found := re.fullmatch(form, asked.call):
            return command, found.groups()
    return None


def _status(ended: _Ended) -> int | None:
    """Return the HTTP status of an error: printed, else from the exit code, its remainder by 256.

    None where it is no answer of the service.
    """
    if ended.code in (0, _NETWORK, _USAGE):
        return None
    said = (_printed(ended.err) or {}).get("status")
    if isinstance(said, int) and said >= 300:
        return said
    return ended.code + 256 if 400 <= ended.code + 256 < 512 else None


def _printed(text: str) -> dict[str, Any] | None:
    """Return the JSON object after the line `Response:`."""
    _, mark, after = text.partition("Response:\n")
    try:
        found = json.loads(after if mark else text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _option(name: str) -> str:
    """Return a query parameter as the command spells it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _flags(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, bool):
            yield from (f"--{name}", "true" if value else "false")
        else:
            yield from (f"--{name}", _text(str(value)))


def _text(value: str) -> str:
    """Return a text so that it stays one: the command reads what looks like JSON as JSON."""
    try:
        json.loads(value)
    except ValueError:
        return value
    return value if value in ("true", "false") else json.dumps(value)

"""Who we are to a workspace: databricks-sdk's own resolution, as an `httpx.Auth`.

Rules kept here: the order is the SDK's (environment, then profile); where the environment would
silently replace what the chosen profile says, nothing is sent; a token is never logged or stored,
and every one that is seen is masked from then on. The SDK takes seconds to import and may start the
user's `databricks` command, so it is only asked when the first call is made.

Source: https://docs.databricks.com/dev-tools/auth/unified-auth.html
"""

import configparser
import os
import shlex
from collections.abc import Generator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from agent import __version__, redaction
from agent.errors import Unauthorized, Unavailable, UsageError
from agent.platforms.databricks import sdk
from agent.playbook.records import Databricks

if TYPE_CHECKING:
    from databricks.sdk.config import Config

_REPLACES = {
    "DATABRICKS_HOST": "host",
    "DATABRICKS_TOKEN": "token",
    "DATABRICKS_CLIENT_ID": "client_id",
    "DATABRICKS_CLIENT_SECRET": "client_secret",
    "DATABRICKS_USERNAME": "username",
    "DATABRICKS_PASSWORD": "password",
}
"""Variables that win over the same key of a profile: another workspace, or another identity."""

_RETRY_S = 1
_SETUP_S = 15.0
_PROBE_S = 5.0
_EXPIRED = ("expired", "invalid access token", "invalid token", "token is not valid")


def connect(settings: Databricks, env: Mapping[str, str] = os.environ) -> "Auth":
    """Return how to authenticate; nothing is sent yet.

    Raises `UsageError` for a profile that is not there, `Unauthorized` where a variable of the
    environment and the chosen profile disagree.
    """
    profile = settings.profile or env.get("DATABRICKS_CONFIG_PROFILE") or None
    if profile is not None:
        _agree(profile, _section(profile, env), env)
    return Auth(profile, settings.command, env)


def _file(env: Mapping[str, str]) -> Path:
    return Path(env.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()


def _section(profile: str, env: Mapping[str, str]) -> Mapping[str, str]:
    """Return what the configuration file says of a profile."""
    # DEFAULT is a profile like any other here: the SDK does not let others inherit from it.
    parser = configparser.ConfigParser(default_section="", interpolation=None)
    file = _file(env)
    try:
        read = parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{file} cannot be read as a Databricks configuration: {error}") from error
    if not read:
        raise UsageError(
            f"profile {profile!r} was asked for, but there is no {file}; make it with "
            f"`databricks auth login -p {shlex.quote(profile)}` or set DATABRICKS_CONFIG_FILE"
        )
    if not parser.has_section(profile):
        there = ", ".join(s for s in parser.sections() if s != "__settings__") or "none"
        raise UsageError(f"{file} has no profile {profile!r}; there is {there}")
    return dict(parser[profile])


def _agree(profile: str, said: Mapping[str, str], env: Mapping[str, str]) -> None:
    wrong = [
        name
        for name, key in _REPLACES.items()
        if env.get(name) and _plain(key, env[name]) != _plain(key, said.get(key, ""))
    ]
    if wrong:
        names = " and ".join(wrong)
        raise Unauthorized(
            f"{names} of the environment and profile {profile!r} disagree, and the environment "
            f"would win: run `unset {' '.join(wrong)}`, or leave the profile out "
            "(-p, databricks.profile, DATABRICKS_CONFIG_PROFILE)"
        )


def _plain(key: str, value: str) -> str:
    if key != "host":
        return value
    return value.lower().removeprefix("https://").rstrip("/").removesuffix(":443")


class Auth(httpx.Auth):
    """The headers of each request; an expired token is renewed once per request."""

    requires_response_body = True  # whether a 403 is about the token is only said in its body

    def __init__(
        self, profile: str | None, command: tuple[str, ...], env: Mapping[str, str] = os.environ
    ) -> None:
        self.profile = profile
        """The chosen profile, None where the environment or DEFAULT says everything."""
        self._command = command
        self._env = env
        self._made: Config | None = None

    @property
    def config(self) -> "Config":
        """The SDK's configuration, resolved at the first use.

        Raises `UsageError` where nothing is configured, `Unauthorized` where logging in fails,
        `Unavailable` where the service that gives tokens does not answer.
        """
        if self._made is None:
            self._made = self._resolve()
            for attribute in type(self._made).attributes():
                value = getattr(self._made, attribute.name)
                if attribute.sensitive and isinstance(value, str):
                    redaction.register(value)
        return self._made

    @property
    def host(self) -> str:
        """The workspace's address without a slash at its end."""
        return str(self.config.host).rstrip("/")

    @property
    def login_command(self) -> str:
        """What a person runs, or does where no command helps, to log in again."""
        kind = self._made.auth_type if self._made is not None else None
        login = (*self._command, "auth", "login")
        if kind in ("pat", "basic"):
            return f"make a new token in the workspace's settings and put it in {self._place()}"
        if kind == "azure-cli":
            return "`az login`"
        if kind == "oauth-m2m":
            return f"make a new secret for the service principal and put it in {self._place()}"
        if self.profile is not None:
            return f"`{shlex.join((*login, '-p', self.profile))}`"
        host = self._made.host if self._made is not None else self._env.get("DATABRICKS_HOST")
        return f"`{shlex.join((*login, '--host', str(host)) if host else login)}`"

    @property
    def log_in(self) -> str:
        """Return `login_command` as the rest of a sentence."""
        command = self.login_command
        return f"log in again: {command}" if command.startswith("`") else command

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request; where its token has expired, renew it and send the request again."""
        request.headers.update(self._headers())
        response = yield request
        if not expired(response) or not self._renew():
            return
        request.headers.update(self._headers())
        yield request

    def environment(self) -> dict[str, str]:
        """Return the variables that let the user's own command be the same identity."""
        found = dict(self._env)
        if self.profile is not None:
            found["DATABRICKS_CONFIG_PROFILE"] = self.profile
        return found

    def _place(self) -> str:
        if self.profile is not None:
            return f"profile {self.profile} of {_file(self._env)}"
        return "DATABRICKS_TOKEN" if self._env.get("DATABRICKS_TOKEN") else f"{_file(self._env)}"

    def _renew(self) -> bool:
        """Log in afresh; return whether that can give another token than before."""
        before = self._headers()
        self._made = None
        return self._headers() != before

    def _headers(self) -> dict[str, str]:
        import requests

        config = self.config
        try:
            headers = config.authenticate()
        except (requests.ConnectionError, requests.Timeout, TimeoutError) as error:
            raise Unavailable(f"no token from {self.host}: {_said(error)}") from error
        except (ValueError, OSError, NotImplementedError) as error:
            raise self._refused(str(error)) from error
        for value in headers.values():
            redaction.register(value.removeprefix("Bearer ").removeprefix("Basic "))
        return headers

    def _resolve(self) -> "Config":
        import logging

        import requests

        logging.getLogger("databricks.sdk").setLevel(logging.ERROR)
        own = self._command[0] if len(self._command) == 1 and "/" in self._command[0] else None
        try:
            return _configuration()(
                profile=self.profile,
                databricks_cli_path=own,
                http_timeout_seconds=_SETUP_S,
                retry_timeout_seconds=_RETRY_S,
                product="runmend",
                product_version=__version__,
            )
        except (ValueError, requests.RequestException) as error:
            if _is_network(error):
                raise Unavailable(f"cannot log in: {_said(error)}") from error
            raise self._unusable(_said(error)) from error

    def _unusable(self, said: str) -> UsageError | Unauthorized:
        if "cannot configure default credentials" in said or "not configured" in said:
            return UsageError(
                "no Databricks workspace is configured: set DATABRICKS_HOST and DATABRICKS_TOKEN, "
                "or make a profile with `databricks auth login --host https://...` and name it "
                "with -p"
            )
        if said.startswith(("resolve:", "validate:")):
            return UsageError(f"the Databricks configuration cannot be used: {said}")
        return self._refused(said)

    def _refused(self, said: str) -> Unauthorized:
        who = f"profile {self.profile}" if self.profile else "the environment"
        words = redaction.printable(redaction.mask(" ".join(said.split())))
        return Unauthorized(f"logging in with {who} failed: {words}; {self.log_in}")


@cache
def _configuration() -> "type[Config]":
    """Return the SDK's configuration, made not to wait for a page that few workspaces have.

    It asks for the page again and again for as long as a `Retry-After` says, and at a closed port
    for minutes; only where the page is there at once is the SDK let at it.
    """
    sdk.prepare()
    from databricks.sdk.config import Config

    Config.attributes()  # kept on the class it is asked of: a subclass would have none

    class Quick(Config):
        def _resolve_host_metadata(self) -> None:
            address = f"{self.host}/.well-known/databricks-config"
            secure = address.startswith("https:") and not self.skip_verify
            try:
                page = httpx.get(address, timeout=_PROBE_S, verify=secure)
            except (httpx.HTTPError, httpx.InvalidURL):
                return
            if page.status_code == 200:
                super()._resolve_host_metadata()

    return Quick


def expired(response: httpx.Response) -> bool:
    """Return whether a response says that the token, and not a permission, is the problem.

    The service answers an old token with 401, or with 403 and an integer `error_code`.
    """
    if response.status_code == 401:
        return True
    if response.status_code != 403:
        return False
    text = response.text.lower()
    return any(word in text for word in _EXPIRED)


def _said(error: BaseException) -> str:
    return redaction.printable(redaction.mask(" ".join(str(error).split())))


def _is_network(error: BaseException | None) -> bool:
    import requests

    while error is not None:
        if isinstance(error, requests.ConnectionError | requests.Timeout | TimeoutError):
            return True
        error = error.__cause__
    return False

"""Who we are to an instance: `oci`'s own signers, as an `httpx.Auth`.

Rules kept here: a signature is made afresh for each time a request is sent, so no stale date or
body hash is; a 401 or 403 climbs one ladder, once: re-read the session token, else let `oci session
refresh` make a new one, or let a principal fetch its own, then the same request again; then a
person must act, and is told the command. Another profile is offered by name, never used. A token
is never logged or stored, and each that is seen is masked from then on. `oci` is only imported
when the first request is signed.

Source: https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any, NamedTuple

import httpx

from agent import redaction
from agent.errors import Unauthorized, Unavailable, UsageError
from agent.platforms.aidp import keys, sdk
from agent.platforms.aidp.profiles import Identity
from agent.platforms.aidp.replies import message, skew
from agent.remote.answers import clean

_REFUSED = (401, 403)
_STALE = ("authorization", "date", "x-content-sha256")
_WITH_BODY = ("POST", "PUT", "PATCH")
_REFRESH_S = 60.0
_ELSEWHERE = "can only be used on OCI compute instances"
_WITHHELD = re.compile(r"ANTHROPIC_.*|CLAUDE_.*|AWS_BEARER_TOKEN_BEDROCK")
Signer = Callable[[Any], Any]
"""Adds the headers to what has `method`, `url`, `path_url`, `headers` and `body`."""


class _Signed(NamedTuple):
    """What oci's signers touch of a request."""

    method: str
    url: str
    path_url: str
    """Exactly what goes over the wire: percent-encoded slashes stay."""
    headers: httpx.Headers
    body: bytes | None


class Auth(httpx.Auth):
    """The signature of each request."""

    requires_request_body = True
    requires_response_body = True

    def __init__(
        self,
        identity: Identity,
        region: str | None,
        env: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`region`: for the command that logs in; `now`: seconds since the epoch."""
        self.identity = identity
        self.region = region
        self._env = env
        self.now = now
        """Seconds since the epoch, as the service counts them."""
        self._signer: Signer | None = None
        self._token: str | None = None
        self._useless: str | None = None
        """The session token that was new, and refused all the same."""
        self._why = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request; where the login is refused, renew it and send the request again."""
        self._sign(request)
        response = yield request
        if response.status_code not in _REFUSED:
            return
        said = (response.status_code, message(response), response.headers.get("date", ""))
        if self.clock(*said) or not self.renew():
            return
        self._sign(request)
        response = yield request
        if response.status_code in _REFUSED:
            self._useless = self._token

    def lifetime_s(self) -> float | None:
        """Return how long the session token is good for; None for other logins, or unsaid.

        Negative where it has expired.
        """
        if self.identity.kind != "security_token":
            return None
        ends = keys.expiry(keys.text(self.identity, "security_token_file"))
        return None if ends is None else ends - self.now()

    def clock(self, status: int, words: str, date: str = "") -> str:
        """Say that our clock is why we were refused, else '': then no new login helps."""
        return skew(words, date, self.now()) if status == 401 else ""

    def what_to_do(self, status: int = 403, words: str = "", date: str = "") -> str:
        """Return the rest of a sentence about a refused login: the exact command, and what else
        this person has; or that it is the clock.

        `status`, `words`, `date`: the service's answer and its Date header, as far as known.
        """
        if clock := self.clock(status, words, date):
            return clock
        identity = self.identity
        match identity.kind:
            case "security_token":
                said = f"{self._why}log in again: `{identity.log_in(self.region)}`"
            case "api_key":
                said = (
                    f"see that {identity.file} has the user, the fingerprint and the key that the "
                    "console shows under My profile, API keys"
                )
                if not identity.sessions:
                    session = identity._replace(profile="AIDP_SESSION")
                    said += (
                        "; where the tenancy takes session tokens only: "
                        f"`{session.log_in(self.region)}`, then add -p AIDP_SESSION"
                    )
            case _:
                said = (
                    "see that its dynamic group has a policy for this instance, or name a profile "
                    "with -p and set aidp.auth to api_key or security_token"
                )
        return said + "".join(
            f"; or use profile {name}, which has a session token: -p {name}"
            for name in identity.sessions
        )

    def environment(self) -> dict[str, str]:
        """Return the environment for a command of the user's, without keys that are not its own."""
        return {name: value for name, value in self._env.items() if not _WITHHELD.fullmatch(name)}

    def _sign(self, request: httpx.Request) -> None:
        signer = self.ready()
        # The signers keep what is there already, and a date that was signed before is refused.
        for name in _STALE:
            request.headers.pop(name, None)
        if request.method in _WITH_BODY:
            request.headers["content-length"] = str(len(request.content))
            request.headers.setdefault("content-type", "application/json")
        request.headers["host"] = request.url.netloc.decode("ascii")
        request.headers["date"] = formatdate(self.now(), usegmt=True)
        path = request.url.raw_path.decode("ascii")
        body = request.content or None
        with _ours(self):
            signer(_Signed(request.method, str(request.url), path, request.headers, body))

    def _made(self) -> Signer:
        kind = self.identity.kind
        with _ours(self):
            if kind == "api_key":
                return self._api_key()
            if kind == "security_token":
                return self._session()
            signers = sdk.load("oci.auth.signers")
            if kind == "resource_principal":
                resource: Signer = signers.get_resource_principals_signer()
                return resource
            # Its own retries wait for minutes; whoever asked us asks again.
            never = sdk.load("oci.retry").NoneRetryStrategy()
            instance: Signer = signers.InstancePrincipalsSecurityTokenSigner(
                retry_strategy=never, federation_client_retry_strategy=never
            )
            return instance

    def _api_key(self) -> Signer:
        said = self.identity.said
        who = (said["tenancy"], said["user"], said["fingerprint"])
        made: Signer = keys.by_key(who, keys.text(self.identity, "key_file"), self._phrase())
        return made

    def _session(self) -> Signer:
        self._token = keys.text(self.identity, "security_token_file")
        redaction.register(self._token)
        key = keys.private(keys.text(self.identity, "key_file"), self._phrase())
        module = sdk.load("oci.auth.signers.security_token_signer")
        made: Signer = module.SecurityTokenSigner(self._token, key)
        return made

    def _phrase(self) -> str | None:
        phrase = self.identity.said.get("pass_phrase") or None
        if phrase is not None:
            redaction.register(phrase)
        return phrase

    def ready(self) -> Signer:
        """Log in where that was not done; so `renew` knows what a command of the user's used."""
        if self._signer is None:
            self._signer = self._made()
        return self._signer

    def renew(self) -> bool:
        """Log in afresh where that needs no person; return whether it may help."""
        kind = self.identity.kind
        if kind == "api_key":
            return False
        if kind == "security_token":
            return self._renew_session()
        fetch = getattr(self._signer, "refresh_security_token", None)
        if fetch is None:
            return False
        with _ours(self):
            fetch()
        return True

    def _renew_session(self) -> bool:
        """Take the token that somebody else made meanwhile, else have a new one made."""
        before = self._token
        if keys.text(self.identity, "security_token_file") == before:
            if before == self._useless:
                return False
            self._why = self._refreshed()
            if self._why or keys.text(self.identity, "security_token_file") == before:
                return False
        with _ours(self):
            self._signer = self._session()
        return True

    def _refreshed(self) -> str:
        """Run `oci session refresh`; return why that did not do, '' where it did."""
        words = self.identity.refresh()
        env = self.environment()
        command = shutil.which(words[0], path=env.get("PATH"))
        if command is None:
            return "the command oci, which could renew it, is not there; "
        try:
            done = subprocess.run(  # noqa: S603  the user's own command, without a shell
                [command, *words[1:]],
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_REFRESH_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"`oci session refresh` did not end within {_REFRESH_S:.0f} s; "
        except OSError as error:
            return f"`oci session refresh` could not be run ({clean(error)}); "
        if done.returncode == 0:
            return ""
        said = clean((done.stderr or done.stdout).decode("utf-8", "replace"))[:300]
        return f"`oci session refresh` said: {said.rstrip('.') or 'nothing'}; "


@contextmanager
def _ours(auth: Auth) -> Iterator[None]:
    """Turn what `oci` raises into our own errors."""
    theirs, http = sdk.load("oci.exceptions"), sdk.load("oci._vendor.requests.exceptions")
    try:
        yield
    except (theirs.InvalidPrivateKey, theirs.MissingPrivateKeyPassphrase) as error:
        identity = auth.identity
        raise UsageError(
            f"{identity.file}: the key_file of profile {identity.profile} cannot be used: "
            f"{clean(error)}"
        ) from error
    except (http.RequestException, ConnectionError, TimeoutError) as error:
        if _ELSEWHERE not in str(error):
            said = f"no login for {auth.identity.who}: {clean(error)[:500]}"
            raise Unavailable(said) from error
        raise _failed(auth, error) from error
    except (OSError, ValueError, RuntimeError, theirs.ClientError, theirs.ServiceError) as error:
        raise _failed(auth, error) from error


def _failed(auth: Auth, error: Exception) -> Unauthorized:
    said = f"logging in as {auth.identity.who} failed: {clean(error)[:500]}"
    return Unauthorized(f"{said}; {auth.what_to_do()}")

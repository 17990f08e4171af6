"""Who signed a request: every one is verified against the public key of who it says it is from.

Rules kept here, those of OCI request signing: the signature covers date, (request-target) and host,
and with a body also content-length, content-type and x-content-sha256; the date is not more than
`Options.skew_s` off the machine's time; the body's hash and length are right; the key is known and,
where it is a token (`ST$...`), has not expired. Anything else is 401 NotAuthenticated.
Source: https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm
"""

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from agent.simulators.aidp import identity
from agent.simulators.aidp.wire import ApiError

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

WITH_BODY = ("POST", "PUT", "PATCH")
ALWAYS = {"(request-target)", "host"}
BODY_HEADERS = {"content-length", "content-type", "x-content-sha256"}
_TARGET = "(request-target)"
_MESSAGE = "The required information to complete authentication was not provided or was incorrect."


class Signed(NamedTuple):
    """Who signed a request."""

    key_id: str
    """`tenancy/user/fingerprint`, or `ST$` and a token."""
    user: str
    """Their OCID."""
    by_token: bool


def refused(reason: str) -> ApiError:
    """Return the refusal of a signature, 401, with what was wrong in parentheses."""
    return ApiError(401, "NotAuthenticated", f"{_MESSAGE} ({reason})")


def verify(
    sim: "Simulator", method: str, target: str, headers: Mapping[str, str], raw: bytes
) -> Signed:
    """Return who signed this request. Raises `ApiError` 401 where nobody did.

    `target`: path and query exactly as received; `headers`: names in lower case.
    """
    said = _said(headers.get("authorization", ""))
    signed = said["headers"].lower().split()
    _needed(signed, method)
    _dated(sim, headers, signed)
    if method in WITH_BODY:
        _body(headers, raw)
    credential = identity.find(sim, said["keyId"])
    if isinstance(credential, str):
        raise refused(credential)
    lines = []
    for name in signed:
        if name == _TARGET:
            lines.append(f"{name}: {method.lower()} {target}")
        elif name in headers:
            lines.append(f"{name}: {headers[name]}")
        else:
            raise refused(f"the header {name} is signed but was not sent")
    try:
        _public(credential.public).verify(
            base64.b64decode(said["signature"]),
            "\n".join(lines).encode("latin-1"),
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
    except (InvalidSignature, binascii.Error, UnicodeEncodeError) as error:
        raise refused("the signature does not fit the request") from error
    return Signed(said["keyId"], credential.user, credential.by_token)


def _said(authorization: str) -> dict[str, str]:
    if not authorization.startswith("Signature "):
        raise refused("the request is not signed")
    said = dict(re.findall(r'(\w+)="([^"]*)"', authorization))
    lacking = {"algorithm", "headers", "keyId", "signature", "version"} - set(said)
    if lacking:
        raise refused(f"the authorization header lacks {', '.join(sorted(lacking))}")
    if said["algorithm"] != "rsa-sha256" or said["version"] != "1":
        raise refused("only rsa-sha256, version 1, is known")
    return said


def _needed(signed: list[str], method: str) -> None:
    wanted = ALWAYS | (BODY_HEADERS if method in WITH_BODY else set())
    lacking = wanted - set(signed)
    if not {"date", "x-date"} & set(signed):
        lacking.add("date")
    if lacking:
        raise refused(f"the signature does not cover {', '.join(sorted(lacking))}")


def _dated(sim: "Simulator", headers: Mapping[str, str], signed: list[str]) -> None:
    """Compare with the machine's time: clients know no other, however far a test has moved on."""
    text = headers.get("x-date" if "x-date" in signed else "date", "")
    try:
        at = parsedate_to_datetime(text)
    except ValueError as error:
        raise refused(f"the date is none: '{text}'") from error
    off_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - time.time()
    if abs(off_s - sim.options.clock_off_s) > sim.options.skew_s:
        raise refused(f"the date is off by more than {sim.options.skew_s:.0f} s: '{text}'")


def _body(headers: Mapping[str, str], raw: bytes) -> None:
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode()
    if headers.get("x-content-sha256") != digest:
        raise refused("x-content-sha256 is not the body's")
    if headers.get("content-length") != str(len(raw)):
        raise refused("content-length is not the body's")


@lru_cache(maxsize=64)
def _public(pem: str) -> rsa.RSAPublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError("identity makes RSA keys only")
    return key

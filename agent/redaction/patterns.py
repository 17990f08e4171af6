"""Secrets that show by their own shape: headers, cookies, addresses, tokens of the data platforms.

Each rule is a pattern whose group `s` is the secret; a rule is tried only where one of its marks is
in the text, so that a long log costs little.
"""

import base64
import binascii
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from agent.redaction import pairs


def _any(_: str) -> bool:
    return True


def _password(value: str) -> bool:
    return not pairs.placeholder(value)


def _basic(value: str) -> bool:
    """Return whether it decodes to `user:password`: "Basic authentication" does not."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _credential(value: str) -> bool:
    return not pairs.harmless(value.lower())


class _Rule(NamedTuple):
    kind: str
    marks: tuple[str, ...]
    """Lower case; one of these is in every text it finds something in."""
    pattern: re.Pattern[str]
    proves: Callable[[str], bool] = _any
    """A last look at what was found."""


_REST = r"(?:(?<=\")[^\"\r\n]+|(?<=')[^'\r\n]+|[^\s\"'][^\r\n]*?(?=[\"']?\s*$|['\"]\s)|[^\s\"']+)"
_AUTH = r"\bauthorization\\?[\"']?\]?\s{0,4}[:=]\s{0,4}\\?[\"']?"

_RULES = (
    _Rule(
        "authorization",
        ("authorization",),
        re.compile(
            _AUTH + r"(?:basic|bearer|token|negotiate|apikey)\s+(?P<s>[^\s\"'\\,;]{6,})",
            re.IGNORECASE,
        ),
        _credential,
    ),
    _Rule(
        "authorization",
        ("authorization",),
        re.compile(
            _AUTH + r"(?:signature|digest|oauth|aws4-hmac-sha256|hmac\S*|sharedkey)\s+"
            r"(?P<s>\S[^\r\n]*)",
            re.IGNORECASE,
        ),
        lambda value: "=" in value or ":" in value,
    ),
    _Rule(
        "authorization",
        ("bearer",),
        re.compile(r"\bbearer[\s:=]{1,3}(?P<s>[A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE),
        lambda value: pairs.random(value) and not value.startswith(("/", "./")),
    ),
    _Rule(
        "authorization",
        ("basic ",),
        re.compile(r"\bbasic\s+(?P<s>[A-Za-z0-9+/_-]{8,}={0,2})", re.IGNORECASE),
        _basic,
    ),
    _Rule(
        "cookie",
        ("cookie",),
        re.compile(
            rf"\b(?:set-)?cookie[\"']?\]?\s{{0,4}}[:=]\s{{0,4}}[\"']?(?P<s>{_REST})",
            re.IGNORECASE | re.MULTILINE,
        ),
        lambda value: re.match(r"[\w.%-]+=\S", value) is not None,
    ),
    _Rule("jwt", ("eyj",), re.compile(r"\b(?P<s>eyJ[\w-]{8,}={0,2}(?:\.[\w-]*={0,2}){1,4})")),
    _Rule("jwt", ("eyj",), re.compile(r"\b(?P<s>eyJ(?:hbGc|0eXA|raWQ)[\w-]{10,})")),
    # The password may hold a slash or an at-sign, but a port is no password.
    _Rule(
        "url-password",
        ("://",),
        re.compile(
            r"[a-z]://[^\s/:@\"'<>\[\]]{0,200}:"
            r"(?!\d{1,5}(?:[/?#]|$))(?P<s>[^\s\"'<>@][^\s\"'<>,]{0,300})@(?=[\w\[%.-])",
            re.IGNORECASE,
        ),
        _password,
    ),
    _Rule(
        "url-password",
        ("://",),
        re.compile(
            r"(?:https?|git|ssh)://(?P<s>[^\s/:@\"'<>\[\]]{16,200})(?::[^\s/@]*)?@", re.IGNORECASE
        ),
        pairs.random,
    ),
    _Rule(
        "url-password",
        ("thin:", "oci:"),
        re.compile(r"jdbc:oracle:\w+:[^\s/@]{1,100}/(?P<s>[^\s\"'@]{1,100})@", re.IGNORECASE),
        _password,
    ),
    _Rule(
        "url-password",
        ("@",),
        re.compile(
            r"(?<![\w/.:@-])\w{1,60}/(?P<s>[^\s/\"'@:]{1,100})@(?://[\w.-]+|[\w.-]+:\d+/\w)|"
            r"\b(?:sqlplus|connect|conn)\s+(?:-\w+\s+)?\w{1,60}/(?P<t>[^\s/\"'@]{1,100})@",
            re.IGNORECASE,
        ),
        _password,
    ),
    _Rule(
        "url-signature",
        ("sig", "credential", "token", "key", "goog", "x-amz"),
        re.compile(
            r"[?&;](?:sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token)"
            r"|access_?token|id_token|token|api_?key|auth|code|client_secret|key)="
            r"(?P<s>[^\s&\"'<>#\\)\]]{6,})",
            re.IGNORECASE,
        ),
        _password,
    ),
    _Rule("url-signature", ("/p/",), re.compile(r"/p/(?P<s>[A-Za-z0-9_-]{6,})/n/")),
    _Rule(
        "url-signature",
        ("/p/",),
        re.compile(r"/p/(?P<s>[A-Za-z0-9_-]{20,})(?=/)"),
        pairs.random,
    ),
    _Rule("databricks", ("dapi",), re.compile(r"(?<![A-Za-z0-9])(?P<s>dapi[a-f0-9]{16,}(?:-\d)?)")),
    _Rule(
        "databricks", ("dose", "dkea"), re.compile(r"\b(?P<s>(?:dose|dkea)[a-f0-9]{28,}(?:-\d)?)")
    ),
    _Rule("anthropic", ("sk-ant-",), re.compile(r"(?P<s>sk-ant-[\w-]{6,})")),
    _Rule(
        "openai",
        ("sk-",),
        re.compile(r"\b(?P<s>sk-(?:proj-|svcacct-|admin-)?[\w-]{32,})"),
        pairs.random,
    ),
    _Rule("github", ("github_pat_",), re.compile(r"(?P<s>github_pat_\w{20,})")),
    _Rule("github", ("gh",), re.compile(r"\b(?P<s>gh[opusr]_[A-Za-z0-9]{16,})")),
    _Rule("gitlab", ("gl",), re.compile(r"\b(?P<s>gl(?:pat|dt|rt|oas|ptt)-[\w-]{16,})")),
    _Rule("slack", ("xox",), re.compile(r"\b(?P<s>xox[abeoprs]-[\w-]{10,})")),
    _Rule("google", ("aiza",), re.compile(r"\b(?P<s>AIza[\w-]{30,})")),
    _Rule("google", ("ya29.",), re.compile(r"\b(?P<s>ya29\.[\w.-]{10,})")),
    _Rule("google", ("gocspx-",), re.compile(r"(?P<s>GOCSPX-[\w-]{10,})")),
    _Rule("aws", ("akia", "asia"), re.compile(r"\b(?P<s>(?:AKIA|ASIA)[0-9A-Z]{16})\b")),
    _Rule("azure", ("q~",), re.compile(r"(?<![\w~.-])(?P<s>[\w~.-]{3}\dQ~[\w~.-]{20,})")),
    _Rule(
        "azure",
        ("azure.account.key", "azure.sas"),
        re.compile(
            r"azure\.(?:account\.key|sas)[\w.-]{0,200}[\"']?\s{0,4}[,=:\s]\s{0,4}[\"']?"
            r"(?P<s>[A-Za-z0-9+/=?&%_-]{16,})"
        ),
    ),
    _Rule(
        "azure",
        ("accountkey=",),
        re.compile(r"AccountKey=(?P<s>[A-Za-z0-9+/=]{16,})", re.IGNORECASE),
    ),
    _Rule("huggingface", ("hf_",), re.compile(r"\b(?P<s>hf_[A-Za-z]{30,})")),
    _Rule("npm", ("npm_",), re.compile(r"\b(?P<s>npm_[A-Za-z0-9]{30,})")),
    _Rule("digitalocean", ("_v1_",), re.compile(r"\b(?P<s>do[opr]_v1_[a-f0-9]{32,})")),
    _Rule(
        "password",
        ("identified by", "password '", 'password "', "secret '"),
        re.compile(
            r"\b(?:identified\s+by|(?:with|set|create|alter)\b[^\n]{0,200}?\b(?:password|secret))\s+"
            r"(?P<q>[\"']?)(?P<s>[^\s\"';]{1,200})(?P=q)",
            re.IGNORECASE,
        ),
        _credential,
    ),
)


def mask(text: str) -> str:
    """Replace what shows by its shape."""
    lower = text.lower()
    for rule in _RULES:
        if any(mark in lower for mark in rule.marks):
            text = rule.pattern.sub(partial(_found, rule), text)
    return text


def _found(rule: _Rule, match: re.Match[str]) -> str:
    group = "s" if match["s"] is not None else "t"
    secret = match[group]
    if secret.startswith("[REDACTED:") or not rule.proves(secret):
        return match[0]
    start, end = match.start(group) - match.start(), match.end(group) - match.start()
    return f"{match[0][:start]}[REDACTED:{rule.kind}]{match[0][end:]}"

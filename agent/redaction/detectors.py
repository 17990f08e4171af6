"""Tokens that carry their vendor's mark, by the rule set that detect-secrets maintains.

Importing it takes a third of a second (it brings an HTTP client), so a detector is only loaded
where the text holds its mark. `LEFT_OUT` says why a detector of theirs is not used; a test fails
when a new release brings one that is named nowhere.
"""

import importlib
import re
from functools import cache, partial
from typing import NamedTuple


class _Detector(NamedTuple):
    module: str
    name: str
    marks: tuple[str, ...]
    """One of these is in every text it finds something in."""
    worth: str = ""
    """Where the marks are common: what is worth loading the detector for."""


USED = (
    _Detector("artifactory", "ArtifactoryDetector", ("AKC", "AP"), r"\b(?:AKC|AP[0-9A-F])\w{8}"),
    _Detector(
        "aws",
        "AWSKeyDetector",
        ("A3T", "ABIA", "ACCA", "AKIA", "ASIA", "aws", "AWS"),
        r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"
        r"|(?:aws|AWS).{0,48}['\"][0-9a-zA-Z/+]{40}['\"]",
    ),
    _Detector("azure_storage_key", "AzureStorageKeyDetector", ("AccountKey=",)),
    _Detector("cloudant", "CloudantDetector", ("cloudant", "CLOUDANT")),
    _Detector(
        "discord", "DiscordBotTokenDetector", (".",), r"\b[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27}\b"
    ),
    _Detector("github_token", "GitHubTokenDetector", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    _Detector(
        "gitlab_token", "GitLabTokenDetector", ("gl", "GR1348941"), r"\bgl\w{2,5}-\w{9}|GR13489"
    ),
    _Detector("mailchimp", "MailchimpDetector", ("-us",), r"[0-9a-z]{32}-us\d"),
    _Detector("npm", "NpmDetector", (":_authToken=",)),
    _Detector("openai", "OpenAIDetector", ("T3BlbkFJ",)),
    _Detector("pypi_token", "PypiTokenDetector", ("pypi-Ag",)),
    _Detector("sendgrid", "SendGridDetector", ("SG.",), r"SG\.[\w-]{22}\."),
    _Detector(
        "slack", "SlackDetector", ("xox", "XOX", "hooks.slack.com"), r"(?i)xox[a-z]-\d|hooks"
    ),
    _Detector("softlayer", "SoftlayerDetector", ("softlayer", "SOFTLAYER")),
    _Detector("square_oauth", "SquareOAuthDetector", ("sq0csp-",)),
    _Detector("stripe", "StripeDetector", ("k_live_",)),
    _Detector("telegram_token", "TelegramBotTokenDetector", (":",), r"\b\d{8,10}:[\w-]{35}\b"),
    _Detector("twilio", "TwilioKeyDetector", ("AC", "SK"), r"\b(?:AC|SK)[a-z0-9]{32}\b"),
)
LEFT_OUT = {
    "base": "no detector",
    "basic_auth": "patterns.py knows a port from a password",
    "high_entropy_strings": "takes hashes and run ids for secrets",
    "ibm_cloud_iam": "a name beside a value: pairs.py",
    "ibm_cos_hmac": "a name beside a value: pairs.py",
    "ip_public": "an address is no secret, and a diagnosis needs it",
    "jwt": "patterns.py also knows one that was cut",
    "keyword": "a name beside a value: pairs.py, which knows a column's type from a password",
    "private_key": "finds the first line only; pem.py masks the body",
}


def mask(text: str) -> str:
    """Replace what the maintained detectors find; a match inside a longer word is none."""
    for used in USED:
        if any(mark in text for mark in used.marks) and re.search(used.worth, text):
            for pattern in _denylist(used):
                text = pattern.sub(partial(_found, used), text)
    return text


@cache
def _denylist(used: _Detector) -> tuple[re.Pattern[str], ...]:
    plugin = getattr(importlib.import_module(f"detect_secrets.plugins.{used.module}"), used.name)
    return tuple(plugin.denylist)


def _found(used: _Detector, match: re.Match[str]) -> str:
    mask = f"[REDACTED:{used.module.removesuffix('_token').replace('_', '-')}]"
    text, whole = match.string, match[0]
    before = text[match.start() - 1 : match.start()]
    after = text[match.end() : match.end() + 1]
    inside = (before.isalnum() and whole[0].isalnum()) or (after.isalnum() and whole[-1].isalnum())
    if inside or not any(c.isdigit() for c in whole) or "[REDACTED:" in whole:
        return whole
    # A pattern with a group also holds the name before the secret, which stays readable.
    secret = match[match.lastindex] if match.lastindex else whole
    return whole.replace(secret, mask) if secret and len(secret) >= 16 else mask

"""Profiles of the OCI configuration file: which one is meant, and how it logs in.

Rules kept here: the playbook (and `-p`) wins over the environment, the environment over the file;
a profile that is not there is an error, never replaced by another one; nothing is written.

The `oci` command calls a profile --profile-name where it makes a session, and --profile where it
renews one.

Sources: https://docs.oracle.com/en-us/iaas/Content/API/Concepts/sdkconfig.htm and
https://docs.oracle.com/iaas/tools/oci-cli/latest/oci_cli_docs/cmdref/session/authenticate.html
"""

import configparser
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from agent.errors import UsageError
from agent.playbook.records import Aidp

Kind = Literal["api_key", "security_token", "instance_principal", "resource_principal"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_FILE = "~/.oci/config"
_NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "api_key": ("tenancy", "user", "fingerprint", "key_file"),
    "security_token": ("security_token_file", "key_file"),
}


class Identity(NamedTuple):
    """Who is to sign."""

    kind: Kind
    profile: str | None
    """None for a principal: no file is read for it."""
    file: Path
    """The configuration file, there or not."""
    said: Mapping[str, str]
    """What the file says of the profile."""
    sessions: tuple[str, ...]
    """Other profiles of the file that have a session token."""
    region: str | None
    """What the profile says, None where it says none."""

    @property
    def who(self) -> str:
        """The login in a sentence."""
        if self.profile is None:
            return f"the {self.kind.replace('_', ' ')}"
        what = "session token" if self.kind == "security_token" else "API key"
        return f"the {what} of profile {self.profile}"

    def log_in(self, region: str | None) -> str:
        """Return the command with which a person makes a new session token for the profile."""
        words = ["oci", "session", "authenticate", "--profile-name", self.profile or "DEFAULT"]
        if region:
            words += ["--region", region]
        if not self._is_usual:
            words += ["--config-location", str(self.file)]
        return shlex.join(words)

    def refresh(self) -> list[str]:
        """Return the command that renews the profile's session token without a person."""
        words = ["oci", "session", "refresh", "--profile", self.profile or "DEFAULT"]
        return words if self._is_usual else [*words, "--config-file", str(self.file)]

    @property
    def _is_usual(self) -> bool:
        return self.file == Path(_FILE).expanduser()


def choose(settings: Aidp, env: Mapping[str, str]) -> Identity:
    """Return who is meant; only the configuration file is read.

    Raises `UsageError` that says what was found and what to set.
    """
    kind = _kind(settings, env)
    file = Path(settings.config_file or env.get("OCI_CLI_CONFIG_FILE") or _FILE).expanduser()
    if kind in ("instance_principal", "resource_principal"):
        return Identity(kind, None, file, {}, (), None)
    name = settings.profile or env.get("OCI_CLI_PROFILE") or "DEFAULT"
    parser = _parsed(file, name)
    own = _own(file, name)
    said = dict(parser[name])
    kind = kind or _likely(own, said)
    _complete(file, name, kind, said)
    sessions = tuple(
        section
        for section in parser.sections()
        if section != name and "security_token_file" in _own(file, section)
    )
    return Identity(kind, name, file, said, sessions, said.get("region") or None)


def _kind(settings: Aidp, env: Mapping[str, str]) -> Kind | None:
    said = settings.auth or env.get("OCI_CLI_AUTH") or None
    if said is None:
        return None
    kind = next((kind for kind in KINDS if kind == said), None)
    if kind is None:
        raise UsageError(f"OCI_CLI_AUTH is {said!r}; runmend knows {', '.join(KINDS)}")
    by_environment = settings.auth is None
    if by_environment and settings.profile and kind in ("instance_principal", "resource_principal"):
        return None  # who names a profile means that profile
    return kind


def _likely(own: Mapping[str, str], said: Mapping[str, str]) -> Kind:
    """Return how a profile logs in where nobody says it: what it says itself wins over what every
    profile inherits from DEFAULT."""
    if "security_token_file" in own:
        return "security_token"
    if "user" in own or "fingerprint" in own:
        return "api_key"
    return "security_token" if "security_token_file" in said else "api_key"


def _parsed(file: Path, name: str) -> configparser.ConfigParser:
    parser = _read(file, configparser.DEFAULTSECT)
    there = [name for name in (configparser.DEFAULTSECT, *parser.sections()) if parser[name]]
    if name not in there:
        login = shlex.join(["oci", "session", "authenticate", "--profile-name", name])
        raise UsageError(
            f"{file} has no profile {name!r}; there is {', '.join(there) or 'none'}: name one with "
            f"-p (aidp.profile, OCI_CLI_PROFILE), or make it with `{login}`"
        )
    return parser


def _own(file: Path, name: str) -> Mapping[str, str]:
    """Return what a profile says itself, without what it inherits from DEFAULT."""
    parser = _read(file, "\0")
    return dict(parser[name]) if parser.has_section(name) else {}


def _read(file: Path, default: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(default_section=default, interpolation=None)
    try:
        read = parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{file} cannot be read as an OCI configuration: {error}") from error
    if not read:
        raise UsageError(
            f"there is no OCI configuration at {file}: make one with `oci setup config` or `oci "
            "session authenticate`, name yours (aidp.config_file, OCI_CLI_CONFIG_FILE), or set "
            "aidp.auth (OCI_CLI_AUTH) to instance_principal or resource_principal"
        )
    return parser


def _complete(file: Path, name: str, kind: Kind, said: Mapping[str, str]) -> None:
    missing = [key for key in _NEEDED[kind] if not said.get(key)]
    if missing:
        raise UsageError(
            f"{file}: profile {name} has no {', '.join(missing)}, which {kind} needs; add it, or "
            "say how the profile logs in (aidp.auth, OCI_CLI_AUTH)"
        )

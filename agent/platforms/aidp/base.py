"""Where an instance is reached: host, version and prefix, instance and workspace as one unit.

The playbook wins over the environment, the environment over the profile of the OCI configuration.
Version and prefix go together; a wrong pair answers 404 for everything (`doctor` finds out which
one answers). Plain http is only for loopback: a rehearsal, a test.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/quick-start.html
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from agent.errors import UsageError
from agent.playbook.records import Aidp

NEWER = "20260430/aiDataPlatforms"
OLDER = "20240831/dataLakes"
_INSTANCE = re.compile(r"ocid1\.[a-z0-9]+(\.[A-Za-z0-9_-]*)+")
_KEY = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Base(NamedTuple):
    """What every address of one instance begins with."""

    host: str
    """`https://host[:port]`, without a slash at its end."""
    api: str
    """Version and prefix: `20260430/aiDataPlatforms`."""
    instance: str
    """OCID."""
    workspace: str
    """Key or display name, as it was given."""

    @property
    def root(self) -> str:
        """The instance's own address."""
        return f"{self.host}/{self.api}/{quote(self.instance, safe='')}"

    @property
    def local(self) -> bool:
        """Whether the host is this machine."""
        return is_loopback(self.host)

    @property
    def has_key(self) -> bool:
        """Whether the workspace was given by its key: a UUID."""
        return _KEY.fullmatch(self.workspace) is not None

    def below(self, workspace: str) -> str:
        """Return the address of a workspace, by its key."""
        return f"{self.root}/workspaces/{quote(workspace, safe='')}"


def resolve(settings: Aidp, region: str | None, env: Mapping[str, str]) -> Base:
    """Return the unit. Raises `UsageError` that says what to set where something is missing.

    `region`: what the profile says.
    """
    endpoint = settings.endpoint or env.get("AIDP_ENDPOINT")
    return Base(
        _host(endpoint) if endpoint else _of_region(settings, region, env),
        settings.api,
        _instance(settings, env),
        _workspace(settings, env),
    )


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def region_of(settings: Aidp, profile: str | None, env: Mapping[str, str]) -> str | None:
    """Return the region that is meant; `profile`: what the profile says."""
    return settings.region or env.get("OCI_CLI_REGION") or profile


def _host(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    said = f"the endpoint {endpoint!r} (aidp.endpoint, AIDP_ENDPOINT)"
    if parts.username or parts.password:
        raise UsageError("the endpoint (aidp.endpoint, AIDP_ENDPOINT) holds a login: leave it out")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise UsageError(
            f"{said} is no address; write it like https://aidp.us-ashburn-1.oci.oraclecloud.com"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(
            f"{said} has a path; give the host alone: the version and its prefix are aidp.api, "
            "the instance is aidp.instance"
        )
    if parts.scheme == "http" and not is_loopback(endpoint):
        raise UsageError(f"{said} is plain http, which is only for this machine: write https")
    return f"{parts.scheme}://{parts.netloc}"


def _of_region(settings: Aidp, profile: str | None, env: Mapping[str, str]) -> str:
    region = region_of(settings, profile, env)
    if not region:
        raise UsageError(
            "no region is known: set aidp.region in the playbook, OCI_CLI_REGION, or region in "
            "the profile of the OCI configuration; or give the host as aidp.endpoint"
        )
    if _REGION.fullmatch(region) is None:
        raise UsageError(f"{region!r} is no region; write it like us-ashburn-1")
    return f"https://aidp.{region}.oci.oraclecloud.com"


def _instance(settings: Aidp, env: Mapping[str, str]) -> str:
    instance = (settings.instance or env.get("AIDP_INSTANCE_ID") or "").strip()
    if not instance:
        raise UsageError(
            "no AI Data Platform instance is named: set aidp.instance in the playbook, or "
            "AIDP_INSTANCE_ID, to its OCID (ocid1.aidataplatform...)"
        )
    if _INSTANCE.fullmatch(instance) is None:
        raise UsageError(
            f"the instance {instance!r} (aidp.instance, AIDP_INSTANCE_ID) is no OCID; it begins "
            "with ocid1.aidataplatform or ocid1.datalake"
        )
    return instance


def _workspace(settings: Aidp, env: Mapping[str, str]) -> str:
    workspace = (settings.workspace or env.get("AIDP_WORKSPACE") or "").strip()
    if not workspace:
        raise UsageError(
            "no workspace is named: set aidp.workspace in the playbook, or AIDP_WORKSPACE, to its "
            "key or its display name"
        )
    return workspace

"""What every test shares: no network but loopback, and surroundings that are nobody's."""

import ipaddress
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A machine that is busy with other things is no failure.
settings.register_profile("runmend", deadline=None)
settings.load_profile("runmend")

_connect = socket.socket.connect


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--live PROFILE`: also run what needs a real workspace, with that profile."""
    said = "run the live tests too, on the workspace of this Databricks profile; they cost money"
    parser.addoption("--live", metavar="PROFILE", help=said)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the live tests where no profile was given."""
    if config.getoption("--live") is None:
        skip = pytest.mark.skip(reason="needs a real workspace: --live PROFILE")
        for item in items:
            if item.get_closest_marker("live") is not None:
                item.add_marker(skip)


def _only_loopback(self: socket.socket, address: object) -> None:
    if isinstance(address, tuple) and not _is_loopback(str(address[0])):
        raise RuntimeError(f"a test reached for the network: {address}")
    _connect(self, address)  # type: ignore[arg-type]  # whatever the caller gave


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network from this process, no key, no settings of whoever runs the tests."""
    monkeypatch.setattr(socket.socket, "connect", _only_loopback)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("RUNMEND_MODE", "RUNMEND_STATE", "RUNMEND_TARGET", "RUNMEND_READ_ONLY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole session: environments are built once."""
    return tmp_path_factory.getbasetemp().parent / "runmend-cache"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give what installs packages into an environment of their own and returns its programs.

    The same packages again are there already.
    """

    from agent.engine import environments

    made: dict[tuple[str, ...], Path] = {}

    def install(*requirements: str) -> Path:
        if requirements in made:
            return made[requirements]
        folder = tmp_path_factory.mktemp("client")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python, uv = folder / "bin" / "python", environments.find_uv()
        command = [uv, "pip", "install", "-p", python] if uv else [python, "-m", "pip", "install"]
        subprocess.run([*command, "-q", *requirements], check=True)
        made[requirements] = folder / "bin"
        return made[requirements]

    return install

import os
import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("contract")

from local_stage import Local  # noqa: E402  # after the rewrite is set up


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments, shared by all tests of a session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def local(tmp_path: Path, cache: Path) -> Local:
    """Stages of the local platform."""
    return Local(tmp_path, cache)


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installer on the path that finds nothing and says so, as uv would be called."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\necho resolving\necho 'error: no such thing: '\"$7\" >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:{os.environ['PATH']}")


@pytest.fixture
def site() -> str:
    """Where this interpreter's packages are."""
    return next(path for path in sys.path if path.endswith("site-packages"))

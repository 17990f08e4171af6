"""Python environments for tasks: one for each distinct set of requirements, built once, kept.

An environment is whole when its marker is there; the marker is written last, and whoever builds
holds a lock, so a build that was killed is done again and two builders build once. Virtual
environments cannot be moved: they are built where they stay.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agent.engine.problems import inside

KERNEL = "ipykernel"
"""What a notebook's environment needs besides its requirements."""
_BUILD_S = 1800.0
_MARKER = "complete"
_REQUIREMENTS_DEPTH = 5


class Ready(NamedTuple):
    """An environment that can be used."""

    python: Path
    cached: bool
    seconds: float
    """What it took to build; 0 where it was there."""


class NotBuilt(NamedTuple):
    """An environment that could not be built, and what the installer said."""

    message: str
    output: str


def prepare(cache: Path, requirements: Sequence[str], root: Path) -> Ready | NotBuilt:
    """Return the environment for `requirements`, built where it is not there yet.

    `root` is the tree that `-r requirements.txt` and `./wheel.whl` are relative to.
    """
    wanted = _expand(requirements, root)
    if isinstance(wanted, NotBuilt):
        return wanted
    place = cache / "envs" / _name(wanted, root)
    python = place / "bin" / "python"
    if (place / _MARKER).exists() and python.exists():
        return Ready(python, cached=True, seconds=0.0)
    began = time.monotonic()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(place.with_name(f"{place.name}.lock")):
        if (place / _MARKER).exists() and python.exists():
            return Ready(python, cached=True, seconds=0.0)
        if failed := _build(place, wanted, root, cache):
            return failed
        (place / _MARKER).write_text("\n".join(wanted), encoding="utf-8")
    return Ready(python, cached=False, seconds=time.monotonic() - began)


def folder(cache: Path, requirements: Sequence[str], root: Path) -> Path:
    """Return where the environment for `requirements` is or would be."""
    wanted = _expand(requirements, root)
    return cache / "envs" / _name([] if isinstance(wanted, NotBuilt) else wanted, root)


def _expand(requirements: Sequence[str], root: Path, depth: int = 0) -> list[str] | NotBuilt:
    """Return the requirements with `-r` files read in, sorted, without comments."""
    found: set[str] = set()
    for line in requirements:
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        if not text.startswith(("-r ", "--requirement ")):
            found.add(text)
            continue
        name = text.split(None, 1)[1].strip()
        file = root / name
        if depth >= _REQUIREMENTS_DEPTH or not inside(name) or not file.is_file():
            said = f"the requirements file {name} does not exist in the source"
            return NotBuilt(said, said)
        inner = _expand(file.read_text("utf-8", "replace").splitlines(), root, depth + 1)
        if isinstance(inner, NotBuilt):
            return inner
        found.update(inner)
    return sorted(found)


def _name(requirements: Sequence[str], root: Path) -> str:
    basis = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.base_prefix}".encode())
    for text in requirements:
        basis.update(b"\0" + text.encode())
        local = root / text
        if text.startswith((".", "/")) and local.is_file():
            basis.update(local.read_bytes())
    return basis.hexdigest()[:20]


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(folder: Path, requirements: Sequence[str], root: Path, cache: Path) -> NotBuilt | None:
    import venv

    if folder.exists():
        shutil.rmtree(folder)
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    if not requirements:
        return None
    python = folder / "bin" / "python"
    if uv := find_uv():
        command = [uv, "pip", "install", "--compile-bytecode", "--python", str(python), "--"]
        command += requirements
    else:
        pip = _pip(cache)
        if isinstance(pip, NotBuilt):
            return pip
        command = [*pip, "--python", str(python), "install", "--no-input", "--", *requirements]
    return _run(command, root, f"cannot install {', '.join(requirements)}")


def find_uv() -> str | None:
    """Return the path of uv: one on PATH, else the one installed beside runmend; None = no uv."""
    beside = Path(sys.executable).with_name("uv")
    return shutil.which("uv") or (str(beside) if beside.exists() else None)


def _pip(cache: Path) -> list[str] | NotBuilt:
    """Return how to call a pip: runmend's own, else one made for this from Python's own copy."""
    import importlib.util

    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    folder = cache / "envs" / f"pip-{sys.implementation.cache_tag}"
    python = folder / "bin" / "python"
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if not (folder / _MARKER).exists():
            command = [sys.executable, "-m", "venv", "--clear", str(folder)]
            if failed := _run(command, cache, "cannot make an environment with pip"):
                return failed
            (folder / _MARKER).touch()
    return [str(python), "-m", "pip"]


def _run(command: list[str], cwd: Path, what: str) -> NotBuilt | None:
    env = dict(os.environ) | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COLOR": "1",
        "PIP_PROGRESS_BAR": "off",
        "NO_COLOR": "1",
    }
    try:
        done = subprocess.run(  # noqa: S603  # installers, on what the job file asks for
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_BUILD_S,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        output = (slow.stdout or b"").decode("utf-8", "replace")
        return NotBuilt(f"{what}: not done after {_BUILD_S:.0f} s", output)
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        return None
    return NotBuilt(f"{what}: {_why(output) or f'exit code {done.returncode}'}", output)


def _why(output: str) -> str:
    """Return the installer's own last word on what went wrong (uv's begin with a box drawing)."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "\u00d7", "\u2570"))]
    return (errors or lines or [""])[-1]

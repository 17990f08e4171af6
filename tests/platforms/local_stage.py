"""Stages for the local platform: a source folder, a tree, a connection."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from contract import Piece, Stage

from agent.platforms import Context, Platform, connect
from agent.playbook import Job, Loaded, Playbook
from agent.records import Tree


def tree(root: Path) -> Tree:
    """Return the record of a tree as it lies there."""
    files = tuple(
        sorted(
            file.relative_to(root).as_posix()
            for file in root.rglob("*")
            if file.is_file() and not any(p.is_symlink() for p in (file, *file.parents))
        )
    )
    basis = hashlib.sha256()
    for name in files:
        basis.update(name.encode() + (root / name).read_bytes())
    return Tree(root=str(root), digest=basis.hexdigest(), files=files)


class Local(NamedTuple):
    """Builds stages below one folder; environments are shared by all tests."""

    folder: Path
    cache: Path

    def stage(
        self,
        job: Mapping[str, Any] | str,
        files: Mapping[str, str | bytes],
        given: Mapping[str, Any] | None = None,
    ) -> Stage:
        """Write a source, copy it to a tree without its data, connect."""
        source, root = self.folder / "source", self.folder / "tree"
        declared = job if isinstance(job, str) else yaml.safe_dump(dict(job), sort_keys=False)
        for name, content in {**files, "job.yaml": declared}.items():
            file = source / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        data = job.get("data", []) if not isinstance(job, str) else []
        shutil.copytree(source, root, ignore=shutil.ignore_patterns(*data))
        playbook = Playbook(
            name="nightly",
            platform="local",
            source="source",
            job=Job(file="job.yaml", parameters=dict(given or {})),
        )
        loaded = Loaded(path=str(self.folder / "nightly.yaml"), playbook=playbook)
        case = self.folder / "case"
        case.mkdir(mode=0o700, exist_ok=True)

        def connection() -> Platform:
            return connect(Context(loaded=loaded, folder=case, cache=self.cache))

        copies = iter(range(1, 100))

        def change(path: str, text: str) -> Tree:
            other = self.folder / f"tree-{next(copies)}"
            shutil.copytree(root, other, symlinks=True)
            (other / path).write_text(text)
            return tree(other)

        return Stage(connection(), tree(root), connection, change)

    def story(
        self,
        *pieces: Piece,
        parameters: dict[str, str] | None = None,
        given: dict[str, str] | None = None,
        broken: bool = False,
    ) -> Stage:
        """Build the stage of a story of the contract."""
        tasks = [
            {
                "task_key": piece.task,
                "depends_on": [{"task_key": need} for need in piece.needs],
                "spark_python_task": {
                    "python_file": piece.path,
                    "parameters": list(piece.parameters),
                },
            }
            for piece in pieces
        ]
        if broken:
            tasks[0]["depend_on"] = tasks[0].pop("depends_on")
        declared = [{"name": k, "default": v} for k, v in (parameters or {}).items()]
        job = {"name": "nightly", "parameters": declared, "tasks": tasks}
        scripts = {piece.path: piece.script for piece in pieces}
        return self.stage(job, {"shared.py": "def go(): pass\n", **scripts}, given)


def notebook(*cells: str) -> str:
    """Return an .ipynb with these code cells."""
    return json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "metadata": {},
                    "outputs": [],
                    "source": cell.splitlines(keepends=True),
                }
                for cell in cells
            ],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )

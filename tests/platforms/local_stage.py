"""Stages for the local platform: a source folder, a tree, a connection."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from connected import staged
from contract import Piece, Stage

from agent.playbook import Job, Playbook


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
        declared = job if isinstance(job, str) else yaml.safe_dump(dict(job), sort_keys=False)
        data = job.get("data", []) if not isinstance(job, str) else []
        book = Playbook(
            name="nightly",
            platform="local",
            source="source",
            job=Job(file="job.yaml", parameters=dict(given or {})),
        )
        whole = {**files, "job.yaml": declared}
        return staged(book, self.folder, whole, cache=self.cache, data=data)

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

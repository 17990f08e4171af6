"""Files come to the workspace by whichever way it has, and are read back."""

import json
from pathlib import Path
from typing import Any

import pytest
from aidp_deploy_stage import Stage, notebook
from aidp_workspace import Workspace

from agent.errors import Unavailable
from agent.platforms.aidp import files, layout
from agent.platforms.aidp.api import NotFound
from agent.platforms.aidp.files import Files, Unlike
from agent.records import Tree
from agent.simulators.aidp import filestore

ROOT = "/Workspace/Shared/etl"


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    return Stage(workspace)


def changed(stage: Stage, **options: Any) -> None:
    """Have the workspace behave otherwise."""
    stage.sim.options = stage.sim.options.model_copy(update=options)


def calls(stage: Stage) -> list[str]:
    """Return the calls so far, without what is read before."""
    return [
        f"{c.method} {c.path.split('/%2F')[0].split('?')[0]} {c.status}" for c in stage.sim.calls
    ]


@pytest.mark.parametrize(
    ("path", "remote", "segment", "relative"),
    [
        (
            "x.ipynb",
            f"{ROOT}/x.ipynb",
            "%2FWorkspace%2FShared%2Fetl%2Fx.ipynb",
            "Shared/etl/x.ipynb",
        ),
        (
            "a/b c.py",
            f"{ROOT}/a/b c.py",
            "%2FWorkspace%2FShared%2Fetl%2Fa%2Fb%20c.py",
            "Shared/etl/a/b c.py",
        ),
    ],
)
def test_a_file_has_three_addresses(path: str, remote: str, segment: str, relative: str) -> None:
    there = layout.of(Tree(root="/x", digest="", files=(path,)), "Shared/etl/")
    assert there.remote(path) == remote
    assert layout.segment(remote) == segment
    assert layout.object_path(remote) == relative
    for said in (remote, relative, remote[1:], f"/{relative}"):
        assert there.local(said) == path
    assert there.local("/Workspace/Shared/other/x.ipynb") is None


def test_notebooks_are_compared_by_their_cells() -> None:
    plain = notebook("print(1)  \n", "")
    told = json.dumps(
        json.loads(notebook("print(1)", kernel="x")) | {"nbformat_minor": 2}, indent=1
    )
    assert files.digest("a.ipynb", plain.encode()) == files.digest("a.ipynb", told.encode())
    other = notebook("print(2)")
    assert files.digest("a.ipynb", plain.encode()) != files.digest("a.ipynb", other.encode())
    assert files.digest("a.py", b"x \n") != files.digest("a.py", b"x\n")
    assert files.digest("a.ipynb", b"no notebook") == files.digest("b.py", b"no notebook")


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        ({}, ["PUT /notebook/api/contents 201", "GET /notebook/api/contents 200"]),
        (
            {"contents_down": "404"},
            [
                "PUT /notebook/api/contents 404",
                "POST /objects 201",
                "GET /notebook/api/contents 404",
                "POST /actions/downloadFileMeta 200",
            ],
        ),
        (
            {"contents_down": "500"},
            [
                "PUT /notebook/api/contents 500",
                "POST /objects 201",
                "GET /notebook/api/contents 500",
                "POST /actions/downloadFileMeta 200",
            ],
        ),
    ],
)
def test_a_notebook_goes_by_the_way_there_is(
    stage: Stage, options: dict[str, Any], ways: list[str]
) -> None:
    changed(stage, **options)
    brought = Files(stage.session())
    brought.put(f"{ROOT}/x.ipynb", notebook("print(1)").encode())
    content = stage.content(f"{ROOT}/x.ipynb")
    assert content is not None
    assert json.loads(content)["cells"][0]["source"] == "print(1)"
    made = [c for c in calls(stage) if "objects 201" not in c or c == "POST /objects 201"]
    assert [c for c in made[1:] if c.startswith(("PUT", "GET", "POST"))][: len(ways)] == ways
    # What failed once is not tried first again.
    before = len(stage.sim.calls)
    brought.put(f"{ROOT}/y.ipynb", notebook("print(2)").encode())
    assert [c.status for c in stage.sim.calls[before:] if c.status >= 400] == []


def test_a_file_whose_object_cannot_be_read_is_read_by_its_link(stage: Stage) -> None:
    changed(stage, objects_get_404=True)
    brought = Files(stage.session())
    brought.put(f"{ROOT}/x.py", b"X = 1\n")
    assert brought.read("Shared/etl/x.py") == b"X = 1\n"
    links = [c for c in stage.sim.calls if "downloadFileMeta" in c.path]
    assert len(links) == 2
    unsigned = [c for c in stage.sim.calls if not c.key_id]
    assert unsigned
    assert all("authorization" not in c.headers for c in unsigned)
    with pytest.raises(NotFound):
        brought.read(f"{ROOT}/nothing.py")


def test_a_file_that_cannot_be_posted_is_written_by_a_link(stage: Stage) -> None:
    stage.sim.faults.add("POST /objects", "404", after=1, times=1)
    brought = Files(stage.session())
    brought.put(f"{ROOT}/x.py", b"X = 1\n")
    assert stage.content(f"{ROOT}/x.py") == b"X = 1\n"


def test_names_beyond_ascii_and_what_is_no_notebook_come_too(stage: Stage) -> None:
    brought = Files(stage.session())
    for path, content in (
        (f"{ROOT}/données/prix é.csv", b"\xff\x00a"),
        (f"{ROOT}/broken.ipynb", b"{not json"),
    ):
        brought.put(path, content)
        assert stage.content(path) == content
        assert brought.read(path) == content


def test_a_file_that_reads_back_otherwise_is_no_success(stage: Stage) -> None:
    class Meddler(Files):
        """Somebody who changes each file right after it was written."""

        def read(self, path: str) -> bytes:
            filestore.write(stage.sim, path, b"theirs", "FILE", user=stage.sim.user_id)
            return super().read(path)

    with pytest.raises(Unlike, match=r"x.py was brought to .* but reads back otherwise"):
        Meddler(stage.session()).put(f"{ROOT}/x.py", b"X = 1\n")


def test_what_was_compared_is_not_fetched_again_until_it_changes(stage: Stage) -> None:
    stage.write({"a.py": "A = 1\n", "sub/b.ipynb": notebook("print(1)")})
    tree = stage.tree()
    there = layout.of(tree, ROOT)
    brought = Files(stage.session())
    assert brought.listed(there) == {}
    brought.bring(Path(tree.root), there, tree.files)
    wanted = files.wanted(Path(tree.root), there, tree.files)
    brought.know(there, wanted)

    def now(of: Files) -> tuple[dict[str, str], int]:
        before = len(stage.sim.calls)
        found = of.digests(of.listed(there).values())
        return found, len(stage.sim.calls) - before

    assert now(Files(stage.session())) == (wanted, 2)
    stage.where.pass_time(1)
    stage.changed_there(f"{ROOT}/a.py", b"A = 2\n")
    found, asked = now(Files(stage.session()))
    assert asked == 3
    assert found[f"{ROOT}/a.py"] == files.digest("a.py", b"A = 2\n")


def test_not_now_is_not_taken_for_another_way(stage: Stage) -> None:
    stage.sim.faults.add("PUT /notebook/api/contents*", "429", times=1)
    with pytest.raises(Unavailable):
        Files(stage.session()).put(f"{ROOT}/x.ipynb", notebook("print(1)").encode())
    assert stage.content(f"{ROOT}/x.ipynb") is None


@pytest.mark.slow
def test_files_that_the_source_no_longer_has_go_where_nobody_changed_them(stage: Stage) -> None:
    stage.usual()
    stage.write({"old.py": "1\n", "theirs.py": "2\n"})
    made = stage.deployed()
    root = "/Workspace/Shared/runmend/shop"
    stage.where.pass_time(1)
    stage.changed_there(f"{root}/theirs.py", b"3\n")
    for name in ("old.py", "theirs.py"):
        (stage.where.source / name).unlink()
    effects = stage.plan(made, production=True)
    assert f"deletes {root}/old.py, which the source no longer has" in [e.detail for e in effects]
    again = stage.deployed("k2", made)
    assert stage.content(f"{root}/old.py") is None
    assert stage.content(f"{root}/theirs.py") == b"3\n"
    assert f"{root}/old.py" not in again.files

"""The ways in which one file goes into the workspace and comes out of it again.

    contents   PUT/GET notebook/api/contents/{one segment}    notebooks
    objects    POST objects, GET objects/{one segment}        any file
    link       a pre-authenticated link, never signed         any file

Builds differ in which of them work: the contents API is missing on some and answers 500 on others,
reading an object directly is 404 on one. A way that failed like that is not tried first again.

Sources: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
https://github.com/oracle-samples/oracle-aidp-samples
"""

import contextlib
import json
import posixpath
from typing import Any, Literal

from agent.errors import Unavailable
from agent.platforms.aidp import layout
from agent.platforms.aidp.api import ApiRefused, Conflict, NotFound, ServerError
from agent.platforms.aidp.session import Session

Way = Literal["contents", "objects", "link"]
_CONTENTS = "/notebook/api/contents"
_LINK = "parUrl"
_DIRECTORY = {"type": "directory"}


def ways(path: str) -> tuple[Way, ...]:
    """Return the ways for a file, the usual one first."""
    if not path.isascii():
        return ("contents",)  # a header cannot carry such a path, an address can
    return ("contents", "objects", "link") if layout.is_notebook(path) else ("objects", "link")


class Transfer:
    """Reads and writes of one case."""

    def __init__(self, session: Session) -> None:
        self._api = session.api
        self._broken: set[tuple[str, Way]] = set()
        """(`read` or `write`, way) that this instance does not have, or not now."""

    def write(self, path: str, content: bytes, way: Way) -> bool:
        """Write a file by one way; False where that way is not to be had here.

        Raises `ApiRefused` for what the last way left is refused with.
        """
        last = way == ways(path)[-1]
        if ("write", way) in self._broken and not last:
            return False
        try:
            match way:
                case "contents":
                    return self._to_contents(path, content)
                case "objects":
                    self._to_objects(path, content)
                case "link":
                    self._to_link(path, content)
        except (ApiRefused, ServerError) as error:
            if last or _is_final(error):
                raise
            self._broken.add(("write", way))
            return False
        return True

    def read(self, path: str) -> bytes:
        """Return a file's content. Raises `NotFound` where no way leads to it."""
        known = _readable(path)
        usual = [way for way in known if ("read", way) not in self._broken] or [known[-1]]
        for way in usual[:-1]:
            try:
                return self._from(path, way)
            except (ApiRefused, ServerError, _NoContent):
                continue
        try:
            content = self._from(path, usual[-1])
        except _NoContent as error:
            said = "it has no content that can be read"
            raise NotFound(f"read of {path}", 404, "", said) from error
        self._broken.update(("read", way) for way in usual[:-1])
        return content

    def make_folder(self, folder: str) -> None:
        """Make a folder; one that is there already is no matter. Raises `ApiRefused`."""
        what = f"make-folder-{posixpath.basename(folder)}"
        if not folder.isascii():
            self._api.send("PUT", f"{_CONTENTS}/{layout.segment(folder)}", _DIRECTORY, what=what)
            return
        headers = {"path": layout.object_path(folder), "type": "FOLDER"}
        with contextlib.suppress(Conflict):
            try:
                self._api.send("POST", "/objects", {}, what=what, headers=headers)
            except NotFound as error:
                self._make_folder_as_before(headers["path"], what, error)

    def _make_folder_as_before(self, path: str, what: str, refused: ApiRefused) -> None:
        """Make a folder by the action that older instances have; `refused` where there is none."""
        address = "/objects/actions/createDirectory"
        try:
            self._api.send("POST", address, {}, what=what, headers={"path": path})
        except NotFound:
            raise refused from None

    def delete(self, path: str) -> bool:
        """Delete a file; return whether it was there."""
        what = f"delete-{posixpath.basename(path)}"
        segment = layout.object_segment(path)
        try:
            self._api.send("DELETE", f"/objects/{segment}", what=what)
        except NotFound:
            return False
        return True

    def _to_contents(self, path: str, content: bytes) -> bool:
        body = contents_body(path, content)
        if body is None:
            return False
        what = f"upload-{posixpath.basename(path)}"
        self._api.send("PUT", f"{_CONTENTS}/{layout.segment(path)}", body, what=what)
        return True

    def _to_objects(self, path: str, content: bytes) -> None:
        headers = {
            "path": layout.object_path(path),
            "type": "FILE",
            "is-overwrite": "true",
            "content-type": "application/octet-stream",
        }
        what = f"upload-{posixpath.basename(path)}"
        self._api.send("POST", "/objects", what=what, headers=headers, content=content)

    def _to_link(self, path: str, content: bytes) -> None:
        what = f"upload-{posixpath.basename(path)}"
        answer = self._api.send(
            "POST",
            "/actions/uploadFileMeta",
            {"action": "CREATE", "size": len(content)},
            what=f"{what}-link",
            query={"isOverwrite": True, "shouldCreateRecursively": True},
            headers={"path": layout.object_path(path), "type": "FILE"},
        )
        url = answer.body.get(_LINK)
        if not isinstance(url, str):
            raise Unavailable(f"the service gave no link to write {path} with")
        self._api.par_put(url, content, what=what)

    def _from(self, path: str, way: Way) -> bytes:
        match way:
            case "contents":
                return self._from_contents(path)
            case "objects":
                return self._api.raw(f"/objects/{layout.object_segment(path)}")
            case "link":
                return self._from_link(path)

    def _from_contents(self, path: str) -> bytes:
        kind = "notebook" if layout.is_notebook(path) else "file"
        # Without the query the service answers 500.
        address = f"{_CONTENTS}/{layout.segment(path)}"
        return _content(self._api.get(address, type=kind, content=1))

    def _from_link(self, path: str) -> bytes:
        kind = "NOTEBOOK" if layout.is_notebook(path) else "FILE"
        headers = {"path": layout.object_path(path), "type": kind}
        asked = self._api.ask(
            "/actions/downloadFileMeta", None, headers=headers, shouldGenerateNewPar=True
        )
        url = asked.get(_LINK)
        if not isinstance(url, str):
            raise _NoContent
        return self._api.par_get(url)


class _NoContent(Exception):
    """An answer that holds no content."""


def _readable(path: str) -> tuple[Way, ...]:
    """Return the ways to read a file: a notebook as an object may be rendered, so not that."""
    known = ways(path)
    return ("contents", "link") if "link" in known and layout.is_notebook(path) else known


def _is_final(error: Exception) -> bool:
    """Return whether another way would be refused just the same: too large, not allowed now."""
    return isinstance(error, ApiRefused) and error.status in (409, 412, 413)


def contents_body(path: str, content: bytes) -> dict[str, Any] | None:
    """Return the body of a PUT; None where a notebook's content is no JSON object."""
    import base64

    named = {"name": posixpath.basename(path), "path": path}
    if not layout.is_notebook(path):
        text = base64.b64encode(content).decode("ascii")
        return {**named, "type": "file", "format": "base64", "content": text}
    try:
        cells = json.loads(content.decode("utf-8-sig"))
    except ValueError:
        return None
    if not isinstance(cells, dict):
        return None
    return {**named, "type": "notebook", "format": "json", "content": cells}


def _content(found: dict[str, Any]) -> bytes:
    """Return what an answer of the contents API holds, in any of its formats."""
    import base64
    import binascii

    content = found.get("content")
    if isinstance(content, dict):
        return json.dumps(content).encode()
    if not isinstance(content, str):
        raise _NoContent
    if str(found.get("format")).lower() != "base64":
        return content.encode()
    try:
        return base64.b64decode(content, validate=False)
    except (binascii.Error, ValueError) as error:
        raise _NoContent from error

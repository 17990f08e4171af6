"""A bundle through the user's own `databricks` command: resolved, planned, deployed, looked up.

The command runs in the private tree. `validate` is asked strictly (an unknown field is an error),
`plan` before every deploy; a configuration once resolved is kept by the tree's digest.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agent import redaction
from agent.errors import UsageError
from agent.platforms.databricks import declared, layout, messages, planned
from agent.platforms.databricks.command import Command, Output
from agent.platforms.databricks.declared import Declared
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.messages import Message
from agent.platforms.databricks.planned import Planned
from agent.platforms.databricks.session import Session
from agent.records import Facts, Failure, Line, Location, Tree

_KEPT = ("bundle", "workspace", "resources")
_RESOURCE = re.compile(r"\bresources\.\w+\.[\w-]+(?:[.\w-]|\[\d+\])*")
_PART = re.compile(r"\w[\w-]*|\[\d+\]")
_NO_STRICT = "unknown flag: --strict"


class Resolved(NamedTuple):
    """A configuration as the command resolved it."""

    config: dict[str, Any]

    def resource(self, key: str) -> tuple[str, dict[str, Any]] | None:
        """Return kind (`job` or `pipeline`) and settings of a resource, None where unknown."""
        found = self.config.get("resources") or {}
        for kind in ("job", "pipeline"):
            if isinstance(settings := (found.get(f"{kind}s") or {}).get(key), dict):
                return kind, settings
        return None

    def layout(self, tree: Tree) -> Layout:
        """Return where the bundle's files lie in the workspace."""
        return layout.of(tree, str(self.config["workspace"]["file_path"]))


class Bundle:
    """The bundle of one case."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.command = Command(session)

    def declared(self, root: Path) -> Declared | None:
        """Return what the bundle's files say, read statically."""
        book = self._session.book
        return declared.read(root, book.target, book.databricks.variables)

    def known(self, tree: Tree) -> Resolved | None:
        """Return the resolved configuration where it was asked for before."""
        found = self._session.kept("bundles", tree.digest) if tree.digest else None
        return None if found is None else Resolved(found)

    def resolve(self, tree: Tree) -> Resolved | tuple[Message, ...]:
        """Return the configuration, or what is wrong with it."""
        if (found := self.known(tree)) is not None:
            return found
        output = self._run(tree, "validate", "--strict", "-o", "json")
        if _NO_STRICT in output.err:
            output = self._run(tree, "validate", "-o", "json")
            warned = tuple(m for m in messages.read(output.err) if m.level == "Warning")
            if output.code == 0 and warned:
                return warned
        if output.code != 0:
            return messages.problems(output)
        made = Resolved({k: v for k, v in _object(output, "validate").items() if k in _KEPT})
        if not (made.config.get("workspace") or {}).get("file_path"):
            raise UsageError("`databricks bundle validate -o json` names no workspace.file_path")
        self._same_host(made)
        if tree.digest:
            self._session.keep("bundles", tree.digest, made.config)
        return made

    def plan(self, tree: Tree) -> Planned | tuple[Message, ...]:
        """Return what a deploy would do to each resource, or why that cannot be said."""
        output = self._run(tree, "plan", "-o", "json")
        return planned.read(output.out) if output.code == 0 else messages.problems(output)

    def deploy(self, tree: Tree) -> tuple[Message, ...]:
        """Deploy; return what went wrong, nothing where it went well."""
        output = self._run(tree, "deploy")
        return messages.problems(output) if output.code != 0 else ()

    def summary(self, tree: Tree) -> Resolved | tuple[Message, ...]:
        """Return the configuration with the ids and URLs of what is deployed."""
        output = self._run(tree, "summary", "-o", "json")
        if output.code != 0:
            return messages.problems(output)
        return Resolved(_object(output, "summary"))

    def _run(self, tree: Tree, *arguments: str) -> Output:
        output = self.command.bundle(tree.root, *arguments)
        login = self._session.api.auth.log_in
        messages.check(output, f"bundle {arguments[0]}", login)
        return output

    def _same_host(self, made: Resolved) -> None:
        """Refuse a target on another workspace than the one our own calls go to."""
        theirs = (made.config.get("workspace") or {}).get("host")
        ours = self._session.api.auth.host
        if isinstance(theirs, str) and theirs and _host(theirs) != _host(ours):
            raise UsageError(
                f"the bundle's target is on {theirs}, but the login is for {ours}: choose the "
                "profile of that workspace (-p or databricks.profile), or another target (-t)"
            )

    def failures(
        self, tree: Tree, found: Sequence[Message], code: str, parameters: dict[str, str]
    ) -> tuple[Failure, ...]:
        """Return a failure per message, with the place in the bundle's files it is about."""
        said = self.declared(Path(tree.root))
        return tuple(self._failure(tree, m, code, parameters, said) for m in found)

    def _failure(
        self,
        tree: Tree,
        message: Message,
        code: str,
        parameters: dict[str, str],
        said: Declared | None,
    ) -> Failure:
        place = _place(tree, message, said)
        main = next((f for f in declared.FILES if f in tree.files), None)
        task = said.task_at(*place) if said is not None and place is not None else None
        where = f"{place[0]}:{place[1]}: " if place else ""
        verb = "validate" if code == "BUNDLE_INVALID" else "deploy"
        source = f"databricks bundle {verb}"
        return Failure(
            phase="create",
            code=code,
            message=f"{where}{message.text}",
            task=task,
            log=tuple(Line(source=source, number=n, text=t) for n, t in message.lines),
            location=_location(tree, *place) if place else None,
            facts=Facts(
                files=tree.files, job_file=place[0] if place else main, parameters=parameters
            ),
            started=False,
        )


def _location(tree: Tree, path: str, line: int) -> Location:
    """Return a place with the text that stands there."""
    try:
        lines = Path(tree.root, path).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        lines = []
    said = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    code = redaction.printable(redaction.mask(said))[:200]
    return Location(path=path, line=line, code=code or None)


def _place(tree: Tree, message: Message, said: Declared | None) -> tuple[str, int] | None:
    """Return file (of the tree) and line that a message is about."""
    if message.file is not None and message.line is not None:
        root = f"{tree.root.rstrip('/')}/"
        path = message.file.removeprefix(root).removeprefix("./")
        return path, message.line
    named = _RESOURCE.search(message.at or message.text)
    if said is None or named is None:
        return None
    words = _PART.findall(named[0])
    at: list[str | int] = [int(w[1:-1]) if w.startswith("[") else w for w in words]
    while len(at) > 2:
        if (place := said.place(*at)) is not None:
            return place
        at.pop()
    return None


def _object(output: Output, doing: str) -> dict[str, Any]:
    try:
        found = json.loads(output.out)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError(
            f"`databricks bundle {doing} -o json` gave no JSON object; look whether `databricks: "
            "command:` in the playbook names the Databricks CLI itself"
        )
    return found


def _host(address: str) -> str:
    return address.lower().removeprefix("https://").rstrip("/").removesuffix(":443")

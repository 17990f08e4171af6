"""Ask the person at the terminal about one patch: what it changes, why, its effects, the evidence.

An answer counts only when it is typed at a terminal; the end of input, a pipe and an empty line all
mean "decide later".
"""

import os
import subprocess
import tempfile
import termios
from collections.abc import Callable
from pathlib import Path
from typing import IO

from agent.errors import RunmendError
from agent.events import AnyEvent, Approved, Proposed, Rejected
from agent.machine import Case
from agent.records import Edit
from agent.redaction import printable
from agent.world import World, whoami

_COLOURS = {"+": "good", "-": "bad", "@": "dim"}


class Prompt:
    """The question about one patch."""

    def __init__(
        self, line: Callable[[str], None], style: Callable[[str, str], str], stdin: IO[str]
    ) -> None:
        """Write by `line`, colour by `style`, read answers from `stdin`."""
        self._line = line
        self._style = style
        self._stdin = stdin

    def show(self, case: Case, proposal: Proposed) -> None:
        """Show the patch: what, why, why it is asked for, its effects, the diff."""
        from agent import approvals

        line, style = self._line, self._style
        patch = proposal.patch
        line(f"             why     {printable(patch.rationale)}  {patch.confidence:.2f}")
        ruling = approvals.decide(patch, case.loaded.playbook)
        line(f"             asks    {printable(ruling.why)}")
        for effect in patch.effects:
            word = effect.risk.name.lower()
            line(f"             {style(f'{word:<11}', 'ask')} {printable(effect.detail)}")
            for text in printable(effect.shown).splitlines():
                line(f"                         {text}")
        line("")
        header = True
        for text in printable(proposal.diff).splitlines():
            header = text.startswith("diff ") or (header and not text.startswith("@@"))
            name = None if header else _COLOURS.get(text[:1])
            line("   " + (style(text, name) if name else text))

    def ask(self, case: Case, world: World) -> AnyEvent | None:
        """Show the patch and return what the person decides."""
        if case.proposal is None:
            return None
        self.show(case, case.proposal)
        until = f"{case.proposal.expires_at:%Y-%m-%d %H:%M} UTC"
        question = (
            f"   [a]pprove  [r]eject  [e]dit  [v]iew evidence  "
            f"[q]uit and decide later (expires {until}) "
        )
        while True:
            answer = self._answer(question)
            if answer == "quit":
                return None
            if answer == "view":
                self._evidence(case)
            elif answer in ("approve", "reject"):
                return self._decision(case, world, approve=answer == "approve")
            elif answer == "edit" and (amended := self._edit(case, world)) is not None:
                return amended

    def _answer(self, question: str) -> str | None:
        """Return the whole word that was typed or meant by its letter; None for anything else."""
        self._line("")
        self._forget_what_was_typed()
        self._line(question)
        text = self._stdin.readline().strip().lower()
        words = ("approve", "reject", "edit", "view", "quit")
        if text in ("", *words):
            return text or "quit"
        return next((word for word in words if text == word[0]), None)

    def _forget_what_was_typed(self) -> None:
        """Drop what was typed before the question was there: it answers something else."""
        if self._stdin.isatty():
            termios.tcflush(self._stdin.fileno(), termios.TCIFLUSH)

    def _evidence(self, case: Case) -> None:
        for failure in case.failures:
            self._line(printable(f"   {failure.task or failure.phase}: {failure.message}"))
            for line in failure.log[-40:]:
                self._line(printable(f"      {line.source}:{line.number}  {line.text}"))

    def _decision(self, case: Case, world: World, *, approve: bool) -> AnyEvent | None:
        from agent import approvals

        if case.proposal is None:
            return None
        reason = ""
        if not approve:
            self._line("   reason: ")
            reason = self._stdin.readline().strip()
        at = world.now()
        try:
            decision = approvals.check_decision(
                case.proposal.patch,
                case.proposal.patch.id,
                who=whoami(),
                by=case.loaded.playbook.approve.by,
                at=at,
                expires_at=case.proposal.expires_at,
                approve=approve,
                reason=reason,
            )
        except RunmendError as error:
            self._line(f"   {error}")
            return None
        if approve:
            return Approved(at=at, decision=decision)
        return Rejected(at=at, decision=decision)

    def _edit(self, case: Case, world: World) -> AnyEvent | None:
        """Open the patched files in $EDITOR and propose what the person makes of them."""
        from agent import drafts, remedy, workspace

        if case.proposal is None or not case.proposal.patch.edits:
            return None
        tree = drafts.base(case, world)

        def read(path: str) -> str | None:
            return world.read(tree, path)

        after = workspace.apply(case.proposal.patch.edits, read)
        with tempfile.TemporaryDirectory(prefix="runmend-") as folder:
            files = {
                p: Path(folder, p.replace("/", "__")) for p, t in after.items() if t is not None
            }
            for path, file in files.items():
                file.write_text(after[path] or "")
            editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
            subprocess.run([*editor.split(), *map(str, files.values())], check=False)  # noqa: S603  the user's own editor
            edits = tuple(
                Edit(path=path, old=read(path), new=file.read_text())
                for path, file in files.items()
                if file.read_text() != read(path)
            )
        try:
            return remedy.amend(case, world, edits)
        except RunmendError as error:
            self._line(f"   {error}")
            return None

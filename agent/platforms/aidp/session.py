"""One case's connection: where it keeps things, the API, and the playbook."""

from collections.abc import Mapping
from os import environ
from typing import Any, NamedTuple

from agent.platforms import Context
from agent.platforms.aidp import base, profiles
from agent.platforms.aidp.api import Api
from agent.platforms.aidp.auth import Auth
from agent.platforms.aidp.connection import Connection
from agent.platforms.aidp.payloads import Payloads
from agent.playbook import Playbook
from agent.playbook.records import Aidp
from agent.remote.kept import Kept


class Session(NamedTuple):
    """What every module of this package is given."""

    context: Context
    api: Api
    book: Playbook

    @property
    def aidp(self) -> Aidp:
        """The playbook's section for this platform."""
        return self.book.aidp

    def workspace(self) -> str:
        """Return the workspace's key, looked up once where the playbook gives its display name."""
        return self.api.workspace()

    def kept(self, kind: str, key: str) -> Any:
        """Return what `keep` wrote, None where there is nothing."""
        return self._kept.read(kind, key)

    def keep(self, kind: str, key: str, content: object) -> None:
        """Write something beside the journal, in one step, so that it survives a crash."""
        self._kept.write(kind, key, content)

    @property
    def _kept(self) -> Kept:
        return Kept(self.context.folder / "aidp")


def connect(context: Context, env: Mapping[str, str] = environ) -> Session:
    """Return the session of one case; nothing is sent yet.

    Raises `UsageError` that says what to set where something is missing.
    """
    book = context.loaded.playbook
    identity = profiles.choose(book.aidp, env)
    where = base.resolve(book.aidp, identity.region, env)
    region = base.region_of(book.aidp, identity.region, env)
    auth = Auth(identity, region, env)
    official = None
    if book.aidp.engine == "cli":
        from agent.platforms.aidp.official import Official, check

        check(where)
        official = Official(book.aidp, auth)
    payloads = Payloads(context.state or context.folder, context.folder.name)
    return Session(context, Api(Connection(where, auth, env), payloads, official), book)

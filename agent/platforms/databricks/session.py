"""One case's connection: where it keeps things, the API, and the playbook."""

from collections.abc import Mapping
from os import environ
from typing import Any, NamedTuple

from agent.errors import UsageError
from agent.platforms import Context
from agent.platforms.databricks import auth
from agent.platforms.databricks.api import Api
from agent.playbook import Playbook
from agent.remote.kept import Kept


class Session(NamedTuple):
    """What every module of this package is given."""

    context: Context
    api: Api
    book: Playbook

    def me(self) -> str:
        """Return our user name, or a service principal's application id."""
        name = self.api.once("/api/2.0/preview/scim/v2/Me").get("userName")
        if not isinstance(name, str) or not name:
            raise UsageError(f"{self.api.auth.host} does not say who we are: no userName")
        return name

    def workspace_id(self) -> str | None:
        """Return the workspace's id for links, None where the service does not say it."""
        if self.api.org is None:
            self.me()
        return self.api.org

    def kept(self, kind: str, key: str) -> Any:
        """Return what `keep` wrote, None where there is nothing."""
        return self._kept.read(kind, key)

    def keep(self, kind: str, key: str, content: object) -> None:
        """Write something beside the journal, in one step, so that it survives a crash."""
        self._kept.write(kind, key, content)

    @property
    def _kept(self) -> Kept:
        return Kept(self.context.folder / "databricks")


def connect(context: Context, env: Mapping[str, str] = environ) -> Session:
    """Return the session of one case; nothing is sent yet."""
    book = context.loaded.playbook
    return Session(context, Api(auth.connect(book.databricks, env)), book)

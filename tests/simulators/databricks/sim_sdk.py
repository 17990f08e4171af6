"""The vendor's own SDK, pointed at a simulated workspace."""

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from agent.simulators.databricks import Simulator


def client(sim: Simulator) -> WorkspaceClient:
    """Give the SDK's client as users make it, with short time-outs."""
    config = Config(host=sim.url, token=sim.token, retry_timeout_seconds=5, http_timeout_seconds=10)
    return WorkspaceClient(config=config)

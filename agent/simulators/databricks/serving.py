"""`runmend simulate databricks`: what its first line says."""

from pathlib import Path

from agent.simulators import serving
from agent.simulators.databricks.options import Options
from agent.simulators.databricks.service import Simulator


def serve(folder: Path | None, port: int, *, realistic: bool) -> int:
    """Serve a workspace as `agent.simulators.serving` does; its line has `url` and `token`."""

    def opened(place: Path, cache: Path) -> Simulator:
        return Simulator(place, options=Options(realistic=realistic), cache=cache)

    def started(sim: Simulator) -> dict[str, object]:
        sim.start(port)
        client_id, client_secret = sim.client
        return {
            "url": sim.url,
            "token": sim.token,
            "workspace_id": sim.workspace_id,
            "user": sim.user,
            "client_id": client_id,
            "client_secret": client_secret,
        }

    return serving.serve("databricks", folder, opened, started)

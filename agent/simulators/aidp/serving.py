"""`runmend simulate aidp`: what its first line says."""

from pathlib import Path

from agent.simulators import serving
from agent.simulators.aidp.certificate import certify, secured
from agent.simulators.aidp.identity import DEFAULT
from agent.simulators.aidp.options import Options
from agent.simulators.aidp.service import Simulator


def serve(folder: Path | None, port: int, *, realistic: bool, tls: bool) -> int:
    """Serve a workspace as `agent.simulators.serving` does.

    `tls`: HTTPS with a certificate made for this folder, which the line names.
    """

    def opened(place: Path, cache: Path) -> Simulator:
        return Simulator(place, options=Options(realistic=realistic), cache=cache)

    def started(sim: Simulator) -> dict[str, object]:
        certificate = certify(sim.folder / "tls") if tls else None
        sim.start(port, None if certificate is None else secured(certificate))
        return {
            "url": sim.url,
            "config_file": str(sim.config_file),
            "profile": DEFAULT,
            "region": sim.region,
            "instance_id": sim.instance_id,
            "workspace": sim.workspace,
            "cluster_key": sim.cluster_key,
            "cluster_name": sim.cluster_name,
            "certificate": None if certificate is None else str(certificate),
            "user": sim.user_id,
        }

    return serving.serve("aidp", folder, opened, started)

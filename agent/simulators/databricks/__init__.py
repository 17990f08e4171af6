"""A Databricks workspace on loopback, for rehearsals and tests: same wire, same quirks, no account.

It is built from public documentation and proved with clients that others wrote. Nothing listens
beyond 127.0.0.1, and tasks run with this machine's own engine.
"""

from agent.simulators.clock import RealClock, VirtualClock
from agent.simulators.databricks.options import Options
from agent.simulators.databricks.service import Call, Simulator

__all__ = ["Call", "Options", "RealClock", "Simulator", "VirtualClock"]

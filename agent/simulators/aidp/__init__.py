"""An Oracle AI Data Platform workspace on loopback, for rehearsals and tests: no account needed.

It is built from public documentation and proved with clients that others wrote. Every request's
signature is verified. Nothing listens beyond 127.0.0.1, and tasks run with this machine's engine.
"""

from agent.simulators.aidp.options import Options
from agent.simulators.aidp.service import Call, Simulator
from agent.simulators.clock import RealClock, VirtualClock

__all__ = ["Call", "Options", "RealClock", "Simulator", "VirtualClock"]

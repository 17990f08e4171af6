"""How a simulated service behaves where real ones differ: what every one can be told."""

from agent.records import Record
from agent.simulators.faults import RetryAfter


class AnyOptions(Record):
    """How a service behaves; each adds its own."""

    realistic: bool = False
    """Compute takes minutes to start, as it does for real; else it is ready at once or soon."""
    retry_after: RetryAfter = "seconds"
    """How 429 and 503 say when to come back."""
    token_s: float = 3600.0
    """How long a token that a client fetched holds."""

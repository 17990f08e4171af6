"""What a service says no with, as exceptions private to the platforms.

"Not now" is `Unavailable`, a login that nobody takes `Unauthorized`; the rest is `ApiRefused` and
becomes a `Failure` or an answer in the module that asked.
"""

from agent.errors import RunmendError, Unauthorized

NOT_KNOWN = "; whether it was carried out is not known"
"""Behind what is said of a change whose answer did not come."""


class ApiRefused(RunmendError):
    """The service says "not like this"; `code` is its own word, empty where it gave none."""

    def __init__(self, call: str, status: int, code: str, message: str) -> None:
        super().__init__(f"{call}: {message} ({status}{f' {code}' if code else ''})")
        self.call = call
        self.status = status
        self.code = code
        self.message = message
        """What the service said, masked and safe to print, one line."""


class NotFound(ApiRefused):
    """What was asked for does not exist, or we may not see it: some services do not tell."""


class Forbidden(Unauthorized):
    """403: the login is good, but its owner may not do this."""

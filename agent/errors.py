"""Everything runmend raises, as one tree.

A job that fails is a value (`records.Failure`), never one of these. An exception is our user's
configuration, our surroundings, or a bug.

    RunmendError                  exit code
    ├── UsageError                2    the user's input: what was found, expected, and what to do
    │   ├── PlaybookError         2    a playbook that does not parse or contradicts itself
    │   ├── MatrixError           2    an error matrix that does not parse or is unsafe
    │   └── UnknownCase           2    no such case, patch or file
    ├── PersonNeeded              3    only a person may do the next step; the message says what
    ├── Refused                   4    policy says no, now and on every retry
    ├── ApprovalInvalid           4    a decision that fits no waiting patch
    │   └── ApprovalExpired       5    the patch's time to be decided has passed
    ├── Unauthorized              6    who we are, or what we may do, is not enough
    ├── Unavailable               7    the other side does not answer now; a wait with a cap
    ├── BudgetSpent               8    a hard limit is used up
    ├── Held                      10   somebody else drives this case or this job
    ├── JournalError              2    the journal cannot be read or written
    │   └── JournalTampered       2    the hash chain does not hold
    └── ImpossibleEvent           70   an event that does not belong in a state: our bug
"""


class RunmendError(Exception):
    """The root. `exit_code` is what the command line ends with when nothing else decides."""

    exit_code: int = 1


class UsageError(RunmendError):
    """The user's input cannot be used; the message names what was found and what to do."""

    exit_code = 2


class PlaybookError(UsageError):
    """A playbook (or job file) is not valid; the message starts with `file:line:`."""


class MatrixError(UsageError):
    """An error matrix is not valid; the message names the entry."""


class UnknownCase(UsageError):
    """No such case, or more than one fits the given start of its id."""


class PersonNeeded(RunmendError):
    """What comes next is a person's to do, outside of us; the message holds the command for it."""

    exit_code = 3


class Refused(RunmendError):
    """Policy forbids it: kill switch, a patch outside what may be edited, a limit per patch."""

    exit_code = 4


class ApprovalInvalid(RunmendError):
    """The decision fits no waiting patch: used before, swapped, or by somebody not listed."""

    exit_code = 4


class ApprovalExpired(ApprovalInvalid):
    """The patch was not decided in time."""

    exit_code = 5


class Unauthorized(RunmendError):
    """Credentials are missing, expired or not enough; the message holds the command that helps."""

    exit_code = 6


class Unavailable(RunmendError):
    """A platform or the model says "not now" (time-out, 429, 5xx)."""

    exit_code = 7

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, works: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds the other side asked us to wait, or None where it did not say."""
        self.works = works
        """True where the other side answers and works on it (it validates, it starts): waited for
        as long as a run may take."""


class BudgetSpent(RunmendError):
    """Iterations, wall clock or model spend are used up."""

    exit_code = 8


class Held(RunmendError):
    """Another driver holds the lock of this job on this target."""

    exit_code = 10


class JournalError(RunmendError):
    """The journal cannot be opened, read or written; nothing was lost that had been appended."""

    exit_code = 2


class JournalTampered(JournalError):
    """A case's events were edited, cut or re-ordered; the message names case and event."""


class ImpossibleEvent(RunmendError):
    """An event reached a state that has no transition for it. A bug: please report it."""

    exit_code = 70


class Signalled(BaseException):
    """SIGINT or SIGTERM came: no error, and nothing that anybody handles on the way to the top."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        """Which signal; the exit code is 128 more."""
        self.case: str | None = None
        """The case that was being driven, where there was one: it can be resumed."""

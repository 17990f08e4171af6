"""databricks-sdk without the start-up time of all of its APIs: seconds of work.

What is used here is its configuration and a few dataclasses.
"""

from agent.remote import lazily


def prepare() -> None:
    """See that importing a module of databricks-sdk imports what that module needs, no more.

    Call it before each such import; where the package is there already, nothing changes.
    """
    lazily.prepare("databricks.sdk")

"""Oracle AI Data Platform (AIDP): jobs of a workspace.

Start reading at `jobs`, which is the whole protocol; `session`, `auth` and `api` are how the
workspace is reached.
"""

from agent.platforms import Context, Platform


def connect(context: Context) -> Platform:
    """Return the platform for what the playbook names; nothing is sent yet."""
    from agent.platforms.aidp import session
    from agent.platforms.aidp.jobs import Jobs

    return Jobs(session.connect(context), context.now)

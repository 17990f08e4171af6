"""The program that carries a run: `python -I -S claim.py RUN_FOLDER DESCRIPTOR`.

It detaches, claims the run, closes the descriptor at whose other end its starter waits, and only
then loads the supervisor: the starter goes on meanwhile, as starting is part of what every job
costs.
"""

import fcntl
import os
import sys
import time


def claim(folder: str) -> int | None:
    """Make this process the run's; return the lock's descriptor, None where another one has it.

    The claim appears locked: whoever sees it unlocked knows that its supervisor is dead.
    """
    mine = f"{folder}/claim.{os.getpid()}"
    lock = os.open(mine, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, b'{"pid": %d, "at": %f}' % (os.getpid(), time.time()))
    try:
        os.link(mine, f"{folder}/claim")
    except FileExistsError:
        os.close(lock)
        return None
    finally:
        os.unlink(mine)  # noqa: PTH108  pathlib costs more than all of this
    return lock


def main(folder: str, starter: int) -> None:
    """Leave the starter's session, claim the run, say so, carry it."""
    if os.fork():
        os._exit(0)
    os.setsid()
    lock = claim(folder)
    os.close(starter)
    if lock is None:
        os._exit(0)
    sys.path.append(f"{os.path.dirname(os.path.abspath(__file__))}/../..")  # noqa: PTH100, PTH120
    from agent.engine import supervisor

    supervisor.carry(folder)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""The command line: what a person or a CI job types. Results on stdout, progress on stderr.

Nothing heavy is imported before a command needs it: `runmend --help` answers at once.
"""

import gc
import itertools
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from agent.cli import cases, ending, matrices, setup, tools
from agent.errors import RunmendError, Signalled

app = typer.Typer(
    name="runmend",
    help="Carry a data-platform job to a verified success: run it, find out why it failed, fix it, "
    "ask where harm is possible, prove that it works.",
    epilog="Exit codes: 0 verified success, 1 still failing, 2 wrong usage or configuration, "
    "3 waiting for a person, 4 rejected or refused, 5 approval expired, 6 authentication or "
    "permission, 7 unreachable, 8 budget or deadline spent, 9 partial success, 10 held by another, "
    "11 cancelled, 130/143 interrupted and resumable.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (cases, setup, tools, matrices):
    group.add(app)


def _raise(number: int, frame: FrameType | None) -> None:
    del frame
    raise Signalled(number)


def _start_fast() -> None:
    """Save what every start would pay for nothing: collecting the garbage that importing does not
    make, and looking through all installed packages for pydantic plugins, which we do not use."""
    gc.set_threshold(50_000, 20, 20)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def main() -> None:
    """Run the command and exit with its documented code."""
    _start_fast()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise)
    _leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command in this process and return its exit code; no error leaves it."""
    try:
        code: int = app(arguments, standalone_mode=False) or 0
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except RunmendError as error:
        code = _say(str(error), ending.code_of(error))
    except typer.TyperException as error:
        code = _wrong_usage(error, as_json=_wants_json(arguments))
    except Signalled as signalled:
        text = f"stopped by {signal.Signals(signalled.number).name}"
        code = _say(text, 128 + signalled.number, as_json=_wants_json(arguments))
    except PermissionError as error:
        text = f"{error.filename or error}: {error.strerror or 'not allowed'}"
        code = _say(text, 6, as_json=_wants_json(arguments))
    except OSError as error:
        text = f"{error.filename or 'this machine'}: {error.strerror or error}"
        code = _say(text, 2, as_json=_wants_json(arguments))
    except Exception as error:  # noqa: BLE001  the last resort: a bug is told as one, masked
        code = _bug(error, as_json=_wants_json(arguments))
    return code


def _leave(code: int) -> NoReturn:
    """End at once: all is written, and taking the interpreter apart would only cost time."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


_VERDICTS = {6: "unauthorized", 130: "interrupted", 143: "interrupted"}


def _say(text: str, code: int, *, as_json: bool = False) -> int:
    """Write an error to stderr; `as_json` its object to stdout too."""
    sys.stderr.write(f"runmend: {text}\n")
    if as_json:
        sys.stdout.write(ending.error_object(text, code, _VERDICTS.get(code)))
    return code


def _wants_json(argv: list[str]) -> bool:
    pairs = itertools.pairwise(argv)
    after = any(a in ("-o", "--output") and b == "json" for a, b in pairs)
    return after or "-ojson" in argv or "--output=json" in argv


def _wrong_usage(error: typer.TyperException, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "runmend"
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error}\n")
        return 2
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    return _say(f"{text}. See: {path} --help".replace("?.", "?"), 2, as_json=as_json)


def _bug(error: Exception, *, as_json: bool) -> int:
    import traceback

    from agent.redaction import mask, printable

    sys.stderr.write(printable(mask("".join(traceback.format_exception(error)))))
    text = (
        f"a bug in runmend ({type(error).__name__}), please report the lines above. No case was "
        "lost: runmend cases lists them, runmend resume CASE goes on"
    )
    return _say(text, 70, as_json=as_json)

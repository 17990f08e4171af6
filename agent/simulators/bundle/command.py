"""The command line of the stand-in."""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

from agent.simulators.bundle import bundle, deploying, planning, running, showing, state, updating
from agent.simulators.bundle.bundle import Asked, Bundle
from agent.simulators.bundle.connection import ApiRefused, Workspace, login
from agent.simulators.bundle.notes import Failed, Notes

SPEAKS = "RUNMEND_STANDIN_SPEAKS"
POLL = "RUNMEND_STANDIN_POLL_S"
VERSIONS = {"0.278": "0.278.0", "1.12": "1.12.0", "1.13": "1.13.0"}
_NEWEST = "1.13"
_WITH_VALUE = ("-t", "--target", "-p", "--profile", "--var", "-o", "--output", "--log-level")


class _World(NamedTuple):
    """What a command is given."""

    options: argparse.Namespace
    env: Mapping[str, str]
    cwd: Path
    out: TextIO
    err: TextIO
    version: str
    opened: ExitStack


class _Misused(Exception):
    """The command line says something that is not known."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Misused(message)


def main(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, stdout: TextIO, stderr: TextIO
) -> int:
    """Carry out one command and return its exit code, 0 or 1."""
    spoken = env.get(SPEAKS) or _NEWEST
    if spoken not in VERSIONS:
        stderr.write(f"Error: {SPEAKS}={spoken} is unknown; there is {', '.join(VERSIONS)}\n")
        return 1
    version = VERSIONS[spoken]
    if argv and argv[0] in ("--version", "-v", "version"):
        what = "Databricks CLI stand-in of runmend (for rehearsals), speaks like"
        stdout.write(f"{what} v{version}\n")
        return 0
    try:
        options = _parsed(list(argv), version)
        with ExitStack() as opened:
            return int(options.run(_World(options, env, cwd, stdout, stderr, version, opened)))
    except (_Misused, Failed, ApiRefused) as error:
        text = error.message if isinstance(error, ApiRefused) else str(error)
        stdout.flush()
        stderr.write(f"Error: {text}\n")
        return 1


def _parsed(argv: list[str], version: str) -> argparse.Namespace:
    try:
        options, unknown = _parser(version).parse_known_args(_ordered(argv))
    except argparse.ArgumentError as error:
        raise _Misused(str(error)) from error
    flags = [text for text in unknown if text.startswith("-")]
    if flags:
        word = "flag" if flags[0].startswith("--") else "shorthand flag"
        raise _Misused(f"unknown {word}: {flags[0].partition('=')[0]}")
    if unknown:
        raise _Misused(f"unknown command or argument {unknown[0]!r}")
    return options


def _ordered(argv: list[str]) -> list[str]:
    """Flags that every command takes may stand before it; here they follow it."""
    words: list[str] = []
    before: list[str] = []
    rest = list(argv)
    while rest and len(words) < 2:
        word = rest.pop(0)
        if not word.startswith("-"):
            words.append(word)
            continue
        before.append(word)
        if word in _WITH_VALUE and rest:
            before.append(rest.pop(0))
    return [*words, *before, *rest]


def _parser(version: str) -> argparse.ArgumentParser:
    common = _Parser(add_help=False)
    common.add_argument("-t", "--target")
    common.add_argument("-p", "--profile")
    common.add_argument("--var", action="append", default=[])
    common.add_argument("-o", "--output", choices=("text", "json"), default="text")
    common.add_argument("--log-level")
    top = _Parser(prog="databricks", allow_abbrev=False)
    groups = top.add_subparsers(required=True, metavar="command")
    bundles = groups.add_parser("bundle", allow_abbrev=False).add_subparsers(required=True)

    def command(name: str, run: Any) -> argparse.ArgumentParser:
        made = bundles.add_parser(name, parents=[common], allow_abbrev=False)
        made.set_defaults(run=run)
        return made

    validate = command("validate", _validate)
    if version != VERSIONS["0.278"]:  # the flag came in January 2026
        validate.add_argument("--strict", action="store_true")
    validate.set_defaults(strict=False)
    plan = command("plan", _plan)
    plan.add_argument("--force", action="store_true")
    command("summary", _summary).add_argument("--force-pull", action="store_true")
    _deployment_flags(command("deploy", _deploy), deploys=True)
    _deployment_flags(command("destroy", _destroy), deploys=False)
    _run_flags(command("run", _run))
    for group, name, run in (("auth", "describe", _describe), ("current-user", "me", _me)):
        made = groups.add_parser(group).add_subparsers(required=True)
        made.add_parser(name, parents=[common], allow_abbrev=False).set_defaults(run=run)
    return top


def _deployment_flags(parser: argparse.ArgumentParser, *, deploys: bool) -> None:
    parser.add_argument("--auto-approve", action="store_true")
    parser.add_argument("--force-lock", action="store_true")
    if deploys:
        parser.add_argument("--force", action="store_true")
        parser.add_argument("--fail-on-active-runs", action="store_true")
    parser.add_argument("-q", "--quiet", action="count", default=0)


def _run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", nargs="?")
    for flag in ("no-wait", "restart", "full-refresh-all", "refresh-all", "validate-only"):
        parser.add_argument(f"--{flag}", action="store_true")
    for flag in ("only", "params", "notebook-params", "python-params", "full-refresh", "refresh"):
        parser.add_argument(f"--{flag}", action="append", default=[])


def _prepared(world: _World, notes: Notes, *, builds: bool = False) -> Bundle:
    given = world.options
    asked = Asked(given.target, given.profile, tuple(given.var), world.opened)
    return bundle.prepared(world.cwd, world.env, asked, notes, builds=builds)


def _ready(world: _World, *, builds: bool = False) -> Bundle:
    """Return a bundle without errors, what is odd about it said."""
    notes = Notes()
    try:
        found = _prepared(world, notes, builds=builds)
        if builds:
            showing.note_left_out(found)
    finally:
        notes.show(world.err)
    if notes.errors:
        raise _Silent
    return found


class _Said(Failed):
    """Everything was said already."""


_Silent = _Said("")


def _validate(world: _World) -> int:
    notes = Notes()
    try:
        found = _prepared(world, notes)
        found.workspace.call(
            "POST",
            "/api/2.0/workspace/mkdirs",
            {"path": found.text("workspace", "file_path")},
        )
    finally:
        notes.show(world.err)
    strict = world.options.strict and notes.warnings and not notes.errors
    if world.options.output == "json":
        json.dump(showing.resolved(found), world.out, indent=2)
        world.out.write("\n")
    else:
        counted = notes.counted()
        world.out.write(showing.heading(found) + "\n")
        world.out.write(f"Found {counted}\n" if counted else "Validation OK!\n")
    if strict:
        number = notes.warnings
        words = f"{number} warning{'s' * (number > 1)} {'were' if number > 1 else 'was'}"
        raise Failed(f"{words} found. Warnings are not allowed in strict mode")
    return 1 if notes.errors else 0


def _plan(world: _World) -> int:
    found = _ready(world, builds=True)
    before = state.read(found)
    actions = planning.planned(found, before or state.first())
    if world.options.output == "json":
        json.dump(planning.as_json(actions, before, world.version), world.out, indent=2)
        world.out.write("\n")
    else:
        world.out.write(planning.as_text(actions))
    return 0


def _summary(world: _World) -> int:
    found = _ready(world)
    before = state.read(found)
    if world.options.output == "json":
        json.dump(showing.with_ids(found, before), world.out, indent=2)
        world.out.write("\n")
    else:
        world.out.write(showing.summary(found, before))
    return 0


def _deploying(world: _World) -> deploying.Options:
    given = world.options
    return deploying.Options(
        world.version,
        given.auto_approve,
        given.force_lock,
        getattr(given, "fail_on_active_runs", False),
        given.quiet,
    )


def _deploy(world: _World) -> int:
    found = _ready(world, builds=True)
    options = _deploying(world)
    if found.config.flag("bundle", "deployment", "fail_on_active_runs"):
        options = options._replace(fail_on_active_runs=True)
    return deploying.deploy(found, options, world.err.write)


def _destroy(world: _World) -> int:
    return deploying.destroy(_ready(world), _deploying(world), world.err.write)


def _run(world: _World) -> int:
    given = world.options
    options = updating.Options(
        world.version,
        no_wait=given.no_wait,
        restart=given.restart,
        only=_listed(given.only),
        params=_pairs(given.params),
        notebook_params=_pairs(given.notebook_params),
        python_params=_listed(given.python_params),
        full_refresh_all=given.full_refresh_all,
        full_refresh=_listed(given.full_refresh),
        refresh=_listed(given.refresh),
        refresh_all=given.refresh_all,
        validate_only=given.validate_only,
        poll_s=float(world.env.get(POLL, "1")),
    )
    return running.run(_ready(world), given.key, options, updating.Output(world.err, world.out))


def _listed(given: list[str]) -> tuple[str, ...]:
    return tuple(part for text in given for part in text.split(",") if part)


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = {}
    for part in _listed(given):
        name, equals, value = part.partition("=")
        if not equals:
            raise Failed(f'invalid argument "{part}": {part} must be formatted as key=value')
        pairs[name] = value
    return pairs


def _alone(world: _World) -> Workspace:
    """The workspace that profile and environment name, without any bundle."""
    workspace = Workspace(login(world.env, None, world.options.profile))
    world.opened.callback(workspace.close)
    return workspace


def _describe(world: _World) -> int:
    workspace = _alone(world)
    user = str(workspace.me().get("userName", ""))
    if world.options.output == "json":
        details = {"host": workspace.login.host, "auth_type": workspace.login.kind}
        document = {"status": "success", "username": user, "details": details}
        world.out.write(json.dumps(document, indent=2) + "\n")
    else:
        lines = (f"Host: {workspace.login.host}", f"User: {user}")
        world.out.write("\n".join(lines) + f"\nAuthenticated with: {workspace.login.kind}\n")
    return 0


def _me(world: _World) -> int:
    world.out.write(json.dumps(_alone(world).me(), indent=2) + "\n")
    return 0

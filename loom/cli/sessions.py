"""``loom sessions``: list, show, delete, export and import sessions on disk."""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from loom.archive.archive import ImportResult
from loom.archive.call_importer import CallImporter
from loom.errors import LoomError
from loom.formats import FORMATS, get_writer
from loom.formats.destination import Destination
from loom.model import Call, CallIds, Endpoint, Secrets
from loom.model.projection import project
from loom.recording.query import Query
from loom.runtime.config_loading import load
from loom.runtime.settings import Settings
from loom.runtime.terminal import terminal_safe
from loom.search import Origin
from loom.search.call_source import SessionCallSource
from loom.search.file_client import read_file
from loom.search.matching import select_calls
from loom.search.protocol import ImportedCalls, ImportEnd, ImportStart
from loom.sessions import (
    SessionError,
    SessionImport,
    SessionReader,
    list_sessions,
    session_path,
    sessions_directory,
)
from loom.sessions.database import SessionLock
from loom.sessions.event_codec import unpack
from loom.sessions.paths import SessionInfo, session_files
from loom.sessions.reader import Totals
from loom.units import format_bytes, format_count

from .completion import DATA_DIR_META, existing_session
from .options import FILTER_HELP, FILTER_NAMES, FilterType
from .output import Output, open_file_output

_MAX_NEWEST = 10
_MAX_NEWEST_BYTES = 4 * 1024 * 1024
_EXIT_DAMAGED = 1
_EXIT_USAGE = 2
_MASK_META = f"{__name__}.mask"
_CONFIG_META = f"{__name__}.config"

F = TypeVar("F", bound=Callable[..., Any])


def _location_options(function: F) -> F:
    """Add ``--data-dir`` and ``--config``, which may precede or follow the subcommand."""
    data_dir = click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Directory of the sessions.",
        expose_value=False,
        callback=_save_as(DATA_DIR_META),
    )
    config = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read settings from this file.",
        expose_value=False,
        callback=_save_as(_CONFIG_META),
    )
    return data_dir(config(function))


def _save_as(key: str) -> Callable[[click.Context, click.Parameter, object], None]:
    """Return a callback that saves a parameter in the context's ``meta``, for :func:`_settings`."""

    def save(ctx: click.Context, parameter: click.Parameter, value: object) -> None:  # noqa: ARG001
        if value not in (None, ()):
            ctx.meta[key] = value

    return save


def _settings() -> Settings:
    """Load the settings, with the flags before and after the subcommand."""
    meta = click.get_current_context().meta
    flags: dict[str, object] = {}
    if DATA_DIR_META in meta:
        flags["data_dir"] = str(meta[DATA_DIR_META])
    if _MASK_META in meta:
        flags["mask"] = meta[_MASK_META]
    return load(flags, os.environ, config=meta.get(_CONFIG_META)).settings


@click.group("sessions", invoke_without_command=True)
@_location_options
@click.pass_context
def command(ctx: click.Context) -> None:
    """Manage sessions: the calls that are stored on disk, across runs."""
    # Errors of sessions are errors of these commands, not log lines.
    logging.getLogger("loom.sessions").addHandler(logging.NullHandler())
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(_EXIT_USAGE)


def _directory(settings: Settings) -> Path:
    return sessions_directory(settings.data_dir)


def _existing_path(settings: Settings, name: str) -> Path:
    path = session_path(name, _directory(settings))
    if not path.exists():
        names = ", ".join(info.name for info in list_sessions(path.parent)) or "none"
        raise LoomError(f"no session {name!r} in {path.parent}; existing sessions: {names}")
    return path


def _print_problems(problems: Iterable[str]) -> None:
    errors = Output(sys.stderr)
    for problem in problems:
        errors.warning(problem)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@_location_options
def list_(*, as_json: bool) -> None:
    """List the sessions, the most recently used first."""
    settings = _settings()
    output = Output()
    sessions = list_sessions(_directory(settings))
    if not sessions and not as_json:
        output.line(f"no sessions in {_directory(settings)}")
    if sessions and not as_json:
        output.line(f"{'NAME':<24} {'CALLS':>10} {'SIZE':>10}  {'LAST CALL':<19}")
    for info in sessions:
        totals, problem = _totals(info)
        if as_json:
            output.json(_to_json(info, totals, problem))
            continue
        calls = "?" if totals is None else totals.calls
        last = "" if totals is None else _format_time(totals.last_ns)
        output.line(
            f"{info.name:<24} {calls:>10} {format_bytes(info.size):>10}  {last:<19}  {problem}".rstrip()
        )


def _totals(info: SessionInfo) -> tuple[Totals | None, str]:
    try:
        with SessionReader(info.path) as reader:
            return reader.totals(), "; ".join(reader.damaged)
    except LoomError as error:
        return None, str(error)


def _to_json(info: SessionInfo, totals: Totals | None, problem: str) -> dict[str, object]:
    return {
        "name": info.name,
        "path": str(info.path),
        "size": info.size,
        "calls": totals.calls if totals else None,
        "first_us": totals.first_ns // 1000 if totals else None,
        "last_us": totals.last_ns // 1000 if totals else None,
        "pruned": totals.pruned if totals else None,
        "error": problem or None,
    }


@command.command("show")
@click.argument("name", shell_complete=existing_session)
@_location_options
def show(name: str) -> None:
    """Show a session: its file, totals, schemas and newest calls."""
    path = _existing_path(_settings(), name)
    output = Output()
    size = sum(part.stat().st_size for part in session_files(path) if part.exists())
    with SessionReader(path) as reader:
        totals = reader.totals()
        output.line(f"session   {name}")
        output.line(f"file      {path} ({format_bytes(size)})")
        pruned = f", {totals.pruned} older ones pruned" if totals.pruned else ""
        output.line(f"calls     {totals.calls}{pruned}")
        if totals.calls:
            output.line(f"from      {_format_time(totals.first_ns)}")
            output.line(f"to        {_format_time(totals.last_ns)}")
        for item in reader.descriptors():
            fetched = _format_time(item.fetched_ns)
            output.line(f"schema    {item.source} of {item.origin or item.target}, {fetched}")
        newest = reader.newest(_MAX_NEWEST, _MAX_NEWEST_BYTES)
    if newest:
        output.line("newest")
    for call in newest:
        output.line(f"  {_format_call(call)}")
    _print_problems(reader.damaged)


def _format_call(call: Call) -> str:
    status = call.status.name if call.status else "in flight"
    return f"{call.id:>8}  {_format_time(call.started_ns)}  {status:<18} {call.method}"


@command.command("delete")
@click.argument("name", shell_complete=existing_session)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_location_options
def delete(name: str, *, yes: bool) -> None:
    """Delete a session permanently."""
    path = _existing_path(_settings(), name)
    if not yes:
        click.confirm(terminal_safe(f"Delete session {name!r} ({path})?"), abort=True)
    with _locked(path):
        for part in session_files(path):
            part.unlink(missing_ok=True)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    Output().line(f"session {name!r} is deleted")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = SessionLock(path)
    try:
        lock.acquire()
    except SessionError as error:
        raise LoomError(_for_command(str(error))) from error
    try:
        yield
    finally:
        lock.release()


def _for_command(error: str) -> str:
    """Reword an error for a running proxy, which could go on without the session, for a command, which cannot."""
    in_use, separator, _ = error.partition(": this run is not stored")
    if separator:
        return f"{in_use}: stop that one first, or choose another session"
    return error.replace(", or use --no-session", ", or pass one with --data-dir")


@command.command("export")
@click.argument("name", shell_complete=existing_session)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file. [default: standard output]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    default="ndjson",
    show_default=True,
    help="The file format (docs/reference/format.md).",
)
@click.option(
    *FILTER_NAMES,
    "--filter",
    default="",
    type=FilterType(),
    metavar="FILTER",
    help=FILTER_HELP,
)
@click.option("--reveal", is_flag=True, help="Write secrets instead of masking them.")
@click.option(
    "--mask",
    multiple=True,
    metavar="KEY",
    help="Mask this metadata key, besides those masked when recording. May be repeated.",
    expose_value=False,
    callback=_save_as(_MASK_META),
)
@click.option(
    "--target",
    default="",
    metavar="HOST:PORT",
    help="The address in grpcurl commands and tests. [default: the target of each call]",
)
@_location_options
def export(name: str, file: Path | None, kind: str, query: Query, target: str, *, reveal: bool) -> None:
    """Export a session's calls to a file."""
    settings = _settings()
    source = SessionCallSource(Origin(str(_existing_path(settings, name))))
    schema = source.schema()
    secrets = None if reveal else Secrets((*settings.secrets, *source.masked))
    calls = select_calls(source, schema, query.text)
    if target:
        destination = Destination(Endpoint.parse(target), override=True)
    else:
        destination = Destination.recorded(next((item.target for item in schema.stored), ""))
    with open_file_output(file) as output:
        for chunk in get_writer(kind)(calls, schema, secrets, destination, source.fault_seeds):
            output.write(chunk)
    _print_problems(source.problems)
    if source.problems:
        sys.exit(_EXIT_DAMAGED)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--session",
    default="default",
    show_default=True,
    metavar="NAME",
    help="The session to add the calls to.",
    shell_complete=existing_session,
)
@_location_options
def import_(file: Path, session: str) -> None:
    """Add the calls of a file to a session: NDJSON, a bundle, another session, or grpc-dump's JSON."""
    settings = _settings()
    path = session_path(session, _directory(settings))
    try:
        with SessionImport(path, budget=settings.session_bytes) as destination:
            destination.mask(settings.mask)
            result = asyncio.run(_import_calls(file, destination))
            destination.commit()
    except SessionError as error:
        raise LoomError(_for_command(str(error))) from error
    if destination.dropped:
        result.problems.append(f"{file}: {format_count(destination.dropped, 'event')} cannot be stored")
    _print_problems(result.problems)
    count = len(result.ids)
    verb = "is" if count == 1 else "are"
    Output().line(f"{format_count(count, 'call')} from {file} ({result.kind}) {verb} in session {session!r}")
    if result.problems:
        sys.exit(_EXIT_DAMAGED)


async def _import_calls(file: Path, destination: SessionImport) -> ImportResult:
    """Add the calls of a file under new ids."""
    result = ImportResult("")
    importer = CallImporter(CallIds(destination.last_id + 1).allocate, destination)
    async with contextlib.aclosing(read_file(file)) as answers:
        async for answer in answers:
            match answer:
                case ImportStart():
                    result.kind = answer.kind
                    destination.mask(answer.masked)
                case ImportedCalls():
                    result.ids += [importer.add(call).id for call in project(unpack(answer.events))]
                case ImportEnd():
                    destination.put_descriptors(item.as_stored() for item in answer.descriptors)
                    destination.put_fault_seeds(importer.fault_seeds(answer.fault_seeds))
                    result.problems = answer.problems
    return result


def _format_time(time_ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ns / 1e9)) if time_ns else "-"

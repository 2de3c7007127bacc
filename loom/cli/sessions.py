"""``loom sessions``: what is kept on disk, listed, shown, deleted, exported and imported."""

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from loom.archive.call_importer import CallImporter
from loom.archive.parent_order import parents_first
from loom.errors import LoomError
from loom.formats import FORMATS, get_writer
from loom.formats.call_file import CallFile
from loom.formats.destination import Destination
from loom.model import Address, Call, CallIds, Endpoint, Secrets
from loom.recording.query import Query
from loom.runtime.call_formatting import show_count
from loom.runtime.config_loading import load
from loom.runtime.settings import Settings
from loom.search import Origin
from loom.search.call_source import SessionCallSource
from loom.search.matching import select_calls
from loom.sessions import (
    SessionError,
    SessionReader,
    SessionWriter,
    list_sessions,
    session_path,
    sessions_directory,
)
from loom.sessions.database import SessionLock
from loom.sessions.paths import SessionInfo, session_files
from loom.sessions.reader import Totals

from .completion import existing_session
from .options import Filter

_NEWEST = 10
_NEWEST_BYTES = 4 * 1024 * 1024
_IMPORT_QUEUE = 4 * 1024 * 1024 * 1024  # a call is taken in whole, whatever its size
_EXIT_DAMAGED = 1
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


F = TypeVar("F", bound=Callable[..., Any])


def _where(function: F) -> F:
    """``--data-dir`` and ``--config``, before a subcommand as after it."""
    data_dir = click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where sessions are kept.",
        expose_value=False,
        callback=_noted,
    )
    config = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read this loom.toml.",
        expose_value=False,
        callback=_noted,
    )
    return data_dir(config(function))


def _noted(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep what was given, for :func:`_settings`."""
    if value not in (None, ()):
        ctx.meta[f"{__name__}.{parameter.name}"] = value


def _settings() -> Settings:
    """With what was given before the subcommand or after it."""
    meta = click.get_current_context().meta
    data_dir, mask, config = (meta.get(f"{__name__}.{name}") for name in ("data_dir", "mask", "config"))
    flags: dict[str, object] = {} if data_dir is None else {"data_dir": str(data_dir)}
    return load(flags if mask is None else flags | {"mask": mask}, os.environ, config=config).settings


@click.group("sessions")
@_where
def command() -> None:
    """What is kept on disk across runs."""
    # What goes wrong with a session is an error of these commands, not a line in somebody's log.
    logging.getLogger("loom.sessions").addHandler(logging.NullHandler())


def _directory(settings: Settings) -> Path:
    return sessions_directory(settings.data_dir)


def _existing(settings: Settings, name: str) -> Path:
    path = session_path(name, _directory(settings))
    if not path.exists():
        known = ", ".join(info.name for info in list_sessions(path.parent)) or "none"
        raise LoomError(f"there is no session {name!r} in {path.parent}; there are: {known}")
    return path


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_where
def list_(*, as_json: bool) -> None:
    """List the sessions, the last used first."""
    settings = _settings()
    found = list_sessions(_directory(settings))
    if not found and not as_json:
        click.echo(f"no sessions in {_directory(settings)}")
    if found and not as_json:
        click.echo(f"{'NAME':<24} {'CALLS':>10} {'SIZE':>10}  {'LAST CALL':<19}")
    for info in found:
        totals, problem = _totals(info)
        if as_json:
            click.echo(json.dumps(_described(info, totals, problem)))
        elif totals is None:
            click.echo(f"{info.name:<24} {'?':>10} {_size(info.size):>10}  {problem}")
        else:
            row = f"{info.name:<24} {totals.calls:>10} {_size(info.size):>10}  {_when(totals.last_ns):<19}"
            click.echo(f"{row}  {problem}".rstrip())


def _totals(info: SessionInfo) -> tuple[Totals | None, str]:
    try:
        with SessionReader(info.path) as reader:
            return reader.totals(), "; ".join(reader.damaged)
    except LoomError as error:
        return None, str(error)


def _described(info: SessionInfo, totals: Totals | None, problem: str) -> dict[str, object]:
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
@_where
def show(name: str) -> None:
    """Show what a session holds, and its newest calls."""
    path = _existing(_settings(), name)
    size = sum(part.stat().st_size for part in session_files(path) if part.exists())
    with SessionReader(path) as reader:
        totals = reader.totals()
        click.echo(f"session   {name}")
        click.echo(f"file      {path} ({_size(size)})")
        pruned = f", {totals.pruned} older ones pruned" if totals.pruned else ""
        click.echo(f"calls     {totals.calls}{pruned}")
        if totals.calls:
            click.echo(f"from      {_when(totals.first_ns)}")
            click.echo(f"to        {_when(totals.last_ns)}")
        for item in reader.descriptors():
            click.echo(f"schema    {item.source} of {item.origin or item.target}, {_when(item.fetched_ns)}")
        newest = reader.newest(_NEWEST, _NEWEST_BYTES)
    if newest:
        click.echo("newest")
    for call in newest:
        click.echo(f"  {_line(call)}")
    for problem in reader.damaged:
        click.echo(f"loom: {problem}", err=True)


def _line(call: Call) -> str:
    status = call.status.name if call.status else "live"
    return f"{call.id:>8}  {_when(call.started_ns)}  {status:<18} {call.method}"


@command.command("delete")
@click.argument("name", shell_complete=existing_session)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_where
def delete(name: str, *, yes: bool) -> None:
    """Delete a session, for good."""
    path = _existing(_settings(), name)
    if not yes:
        click.confirm(f"Delete session {name!r} ({path})?", abort=True)
    with _locked(path):
        for part in session_files(path):
            part.unlink(missing_ok=True)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    click.echo(f"session {name!r} is deleted")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = SessionLock(path)
    try:
        lock.acquire()
    except SessionError as error:
        raise LoomError(_busy(str(error))) from error
    try:
        yield
    finally:
        lock.release()


def _busy(error: str) -> str:
    """What is said to a Loom that would write to the session, for a command that cannot choose to go without."""
    who, this_run, _ = error.partition(": this run is not stored")
    if this_run:
        return f"{who}: end that one first, or choose another session"
    return error.replace(", or use --no-session", ", or give it as --data-dir")


@command.command("export")
@click.argument("name", shell_complete=existing_session)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file, not to standard output.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    default="ndjson",
    show_default=True,
    help="What to write.",
)
@click.option(
    "-q",
    "--query",
    "--filter",
    default="",
    type=Filter(),
    metavar="FILTER",
    help="Only calls that match (docs/filter.md).",
)
@click.option("--reveal", is_flag=True, help="Write secrets, too: they are masked otherwise.")
@click.option(
    "--mask",
    multiple=True,
    metavar="KEY",
    help="Mask this metadata key, too, beside those that Loom masked when it recorded. May be repeated.",
    expose_value=False,
    callback=_noted,
)
@click.option(
    "--target",
    default="",
    metavar="HOST:PORT",
    help="The address in grpcurl commands and tests.  [default: each call's own]",
)
@_where
def export(name: str, output: Path | None, kind: str, query: Query, target: str, *, reveal: bool) -> None:
    """Write a session's calls to a file that other tools read."""
    settings = _settings()
    source = SessionCallSource(Origin(str(_existing(settings, name))))
    schema = source.schema()
    secrets = None if reveal else Secrets((*settings.secrets, *source.masked))
    calls = select_calls(source, schema, query.text)
    if target:
        destination = Destination(Endpoint(Address.parse(target), tls=None), override=True)
    else:
        destination = Destination.recorded(next((item.target for item in schema.stored), ""))
    with _out(output) as file:
        for piece in get_writer(kind)(calls, schema, secrets, destination):
            file.write(piece)
    for problem in source.problems:
        click.echo(f"loom: {problem}", err=True)
    if source.problems:
        sys.exit(_EXIT_DAMAGED)


@contextlib.contextmanager
def _out(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        # Calls may hold secrets that no key gives away: nobody else may read the file.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise LoomError(f"{path} cannot be written to: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
    except OSError as error:
        raise LoomError(f"{path} is incomplete: {error.strerror}") from error


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--session",
    default="default",
    show_default=True,
    metavar="NAME",
    help="The session that the calls join.",
    shell_complete=existing_session,
)
@_where
def import_(file: Path, session: str) -> None:
    """Add the calls of a file: NDJSON, a bundle, another session, or grpc-dump's JSON."""
    settings = _settings()
    path = session_path(session, _directory(settings))
    with CallFile(file) as opened:
        incoming = opened.read()
        store = SessionWriter(path, budget=settings.session_bytes, queue_budget=_IMPORT_QUEUE)
        store.mask((*settings.mask, *incoming.masked))
        store.open()
        if not store.active:
            raise LoomError(_busy(str(store.status()["error"])))
        count = 0
        try:
            importer = CallImporter(CallIds(store.last_id + 1).allocate, store)
            for call in parents_first(incoming.calls):
                importer.add(call)
                count += 1
                if importer.must_flush and not store.flush(60):
                    raise LoomError(str(store.status()["error"]) or f"{path} cannot be written to")
            for item in incoming.descriptors:
                store.put_descriptors(item)
            if not store.flush(60):
                raise LoomError(str(store.status()["error"]) or f"{path} cannot be written to")
        finally:
            store.close()
    for problem in incoming.problems:
        click.echo(f"loom: {problem}", err=True)
    are = "is" if count == 1 else "are"
    click.echo(f"{show_count(count, 'call')} from {file} ({incoming.kind}) {are} in session {session!r}")
    if incoming.problems:
        sys.exit(_EXIT_DAMAGED)


def _when(time_ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ns / 1e9)) if time_ns else "-"


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1024:  # noqa: PLR2004 (the step between units)
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {_UNITS[-1]}"

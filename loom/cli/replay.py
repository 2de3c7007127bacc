"""``loom replay``: a recorded session, or a file of calls, sent to a target and compared."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from loom.archive.stored_descriptors import StoredDescriptorSource
from loom.decoding.stored_schema import StoredSchema
from loom.errors import LoomError
from loom.formats.call_file import CallFile, CallFileContent
from loom.model import Call, Messages, Metadata, Secrets, StoredDescriptorSet
from loom.recording.query import Query
from loom.replay.batch import (
    BatchOptions,
    Outcome,
    ReplayBatch,
    ReplayResult,
    by_start_time,
    is_replayable,
    masked_request_keys,
    masked_response_keys,
)
from loom.replay.ignore_paths import IgnorePaths, PathError
from loom.replay.plan import Timing, parse_metadata
from loom.replay.report import Tally, junit_xml, result_json, result_lines, summary_table
from loom.runtime import wiring as parts
from loom.runtime.call_formatting import one_line
from loom.runtime.config_loading import load
from loom.runtime.settings import Settings
from loom.search.matching import CallMatcher
from loom.sessions import check_name, list_sessions, session_path, sessions_directory

from .completion import session_name
from .flags import flag_values, flags
from .options import Filter
from .output import Output, color_option, run

_SETTINGS = frozenset(
    {
        "target", "authority", "metadata_limit", "tls", "cacert", "cert", "key", "server_name", "reflection",
        "reflection_header", "proto", "import_path", "protoset", "data_dir", "mask",
    }
)  # fmt: skip
"""The settings that mean the same here as when the proxy runs; flags, variables and loom.toml set them alike."""

_LINE = 2000
_EXIT_DIFFERENT = 1
_EXIT_FAILED = 3


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the flags ask for."""

    source: str
    query: Query
    rules: BatchOptions
    replays: bool
    fail_on_diff: bool
    junit: Path | None
    as_json: bool


def _callback(
    source: str,
    query: Query,
    ignore: Sequence[str],
    metadata: Sequence[str],
    timing: str,
    concurrency: int,
    patience: float,
    junit: Path | None,
    config: Path | None,
    *,
    include_replays: bool,
    fail_on_diff: bool,
    as_json: bool,
    color: bool | None,
    **parameters: Any,
) -> None:
    """Send the calls of SESSION again, compare what comes back, and report.

    SESSION is the name of a session, or a file: NDJSON, a bundle, a session's database or grpc-dump's JSON.

    \b
        loom replay default --target staging:50051 --ignore user.updated_at --fail-on-diff
        loom replay calls.ndjson --target localhost:50051 --junit report.xml

    Exit codes: 0 all was sent (and, with --fail-on-diff, nothing differs); 1 something differs, with --fail-on-diff;
    2 wrong usage, or nothing to send; 3 a call could not be sent or did not end, or the recording is damaged;
    130 interrupted.
    """
    loaded = load(flag_values(parameters), os.environ, config=config)
    settings = loaded.settings
    if "target" not in loaded.origins:
        raise click.UsageError("name the backend to send to: --target HOST:PORT")
    rules = BatchOptions(
        timing=Timing(timing),
        ignore=_ignore_paths(ignore),
        metadata=_metadata(metadata),
        patience=patience,
        concurrency=concurrency,
        secrets=Secrets(settings.secrets),
    )
    wanted = _Wanted(source, query, rules, include_replays, fail_on_diff, junit, as_json)
    click.get_current_context().exit(
        run(lambda: _Command(wanted, settings, Output(color=color), Output(sys.stderr, color=color)).run())
    )


class _Command:
    """One run: two passes over the recording (what is there, then sending it), and the report."""

    def __init__(self, wanted: _Wanted, settings: Settings, output: Output, complaints: Output) -> None:
        self._wanted = wanted
        self._settings = settings
        self._output = output
        self._complaints = complaints
        self._path = _find(wanted.source, settings)
        self._tally = Tally()
        self._results: list[ReplayResult] = []
        self._damaged = False
        self._schema = StoredSchema(())

    async def run(self) -> int:
        if self._wanted.junit is not None:
            _check_writable(self._wanted.junit)
        starts, descriptors = await asyncio.to_thread(self._survey)
        if not starts:
            raise LoomError(
                f"{self._path} holds no call to send" + (" that matches" if self._wanted.query.text else "")
            )
        target = await parts.target(self._settings)
        local = parts.local_files(self._settings)
        await local.load()
        schema = parts.schema(self._settings, target, local)
        stored = StoredDescriptorSource(descriptors)
        for problem in stored.problems:
            self._complain(f"{self._path}: {problem}")
        schema.sources.append(stored)
        try:
            await self._send(ReplayBatch(target, schema, self._wanted.rules), starts)
        except asyncio.CancelledError:
            self._report()
            self._complain(f"interrupted after {self._tally.total} of {len(starts)} calls")
            raise
        finally:
            await schema.close()
            await target.close()
        self._report()
        return self._exit_code()

    def _survey(self) -> tuple[list[tuple[int, int]], list[StoredDescriptorSet]]:
        """What is to be sent, in order; complaints about the recording go out here."""
        masked: set[str] = set()
        uncompared: set[str] = set()
        starts = []
        if self._wanted.query.needs_bodies:
            self._schema = StoredSchema(self._read_through())
        with self._opened() as incoming:
            self._wanted.rules.secrets.add(incoming.masked)
            for call in self._chosen(incoming):
                starts.append((call.started_ns, call.id))
                masked |= masked_request_keys([call])
                uncompared |= masked_response_keys(call)
            for problem in incoming.problems:
                self._complain(problem)
            self._damaged = bool(incoming.problems)
        masked -= {key for key, _ in self._wanted.rules.metadata}
        if masked:
            names = ", ".join(sorted(masked))
            self._complain(
                f"masked in the recording and not sent: {names} (give values with -H 'KEY: VALUE')"
            )
        if uncompared:
            self._complain(f"masked in the recording and not compared: {', '.join(sorted(uncompared))}")
        return sorted(starts), incoming.descriptors

    def _read_through(self) -> list[StoredDescriptorSet]:
        """The descriptors of the whole file: a filter over bodies needs them before the first call."""
        with self._opened() as incoming:
            for _ in incoming.calls:
                pass
            return incoming.descriptors

    async def _send(self, rerun: ReplayBatch, starts: list[tuple[int, int]]) -> None:
        hidden = not self._complaints.terminal
        with (
            self._opened() as incoming,
            click.progressbar(length=len(starts), label="replaying", file=sys.stderr, hidden=hidden) as bar,
        ):
            async for result in rerun.results(by_start_time(self._chosen(incoming), starts)):
                self._take(result)
                bar.update(1)

    def _take(self, result: ReplayResult) -> None:
        self._tally.add(result)
        if self._wanted.as_json:
            self._output.line(json.dumps(result_json(result), ensure_ascii=False, default=str))
        for call in (result.call, result.replay):
            if call is not None:
                call.messages = Messages()  # the report needs none, and there may be many calls
        if self._wanted.junit is not None or result.outcome is not Outcome.SAME:
            self._results.append(result)

    def _report(self) -> None:
        if self._wanted.junit is not None:
            _write(self._wanted.junit, junit_xml(self._results, fail_on_diff=self._wanted.fail_on_diff))
        if self._wanted.as_json:
            return
        for result in self._results:
            if result.outcome is not Outcome.SAME:
                self._tell(result)
        for line in summary_table(self._tally):
            self._output.line(one_line(line, _LINE))

    def _exit_code(self) -> int:
        outcomes = self._tally.outcomes
        if outcomes[Outcome.SAME] or outcomes[Outcome.DIFFERENT]:
            for path in self._wanted.rules.ignore.unmatched_paths():
                self._complain(
                    f"--ignore {path} matched nothing: check its names and its place (docs/replay.md)"
                )
        if outcomes[Outcome.FAILED] or self._damaged:
            return _EXIT_FAILED
        return _EXIT_DIFFERENT if self._wanted.fail_on_diff and outcomes[Outcome.DIFFERENT] else 0

    def _tell(self, result: ReplayResult) -> None:
        paint = (
            self._output.palette.doubtful if result.outcome is Outcome.SKIPPED else self._output.palette.bad
        )
        head, *rest = result_lines(result)
        self._output.line(paint(one_line(head, _LINE)))
        for line in rest:
            self._output.line(one_line(line, _LINE))

    def _chosen(self, incoming: CallFileContent) -> Iterator[Call]:
        calls = (call for call in incoming.calls if is_replayable(call, replays=self._wanted.replays))
        return CallMatcher(self._wanted.query, self._schema).select(calls)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[CallFileContent]:
        with CallFile(self._path) as file:
            yield file.read()

    def _complain(self, text: str) -> None:
        self._complaints.line(self._complaints.palette.doubtful(f"loom: {text}"))


def _find(source: str, settings: Settings) -> Path:
    """A file of that path, or else the session of that name."""
    path = Path(source)
    if path.is_file():
        return path
    if path.name != source:
        raise LoomError(f"there is no file {source}")
    directory = sessions_directory(settings.data_dir)
    stored = session_path(check_name(source), directory)
    if not stored.exists():
        known = ", ".join(info.name for info in list_sessions(directory)) or "none"
        raise LoomError(f"there is no file and no session {source!r}; sessions in {directory}: {known}")
    return stored


def _ignore_paths(texts: Sequence[str]) -> IgnorePaths:
    try:
        return IgnorePaths(texts)
    except PathError as error:
        raise LoomError(f"--ignore {error.text!r}, column {error.column}: {error}") from error


def _metadata(given_items: Sequence[str]) -> Metadata:
    """``KEY: VALUE`` as grpcurl takes it: values of ``-bin`` keys are base64."""
    items = []
    for text in given_items:
        key, colon, value = text.partition(":")
        if not colon:
            raise LoomError(f"-H {text!r}: write KEY: VALUE")
        items.append({"key": key.strip().lower(), "value": value.strip()})
    return parse_metadata(items, ())


def _check_writable(path: Path) -> None:
    """Before anything is sent, and without leaving an empty report. A pipe is not opened twice."""
    try:
        new = not path.exists()
        if new or path.is_file():
            path.open("ab").close()
        if new:
            path.unlink()
    except OSError as error:
        raise LoomError(f"--junit {path}: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise LoomError(f"--junit {path}: {error.strerror}") from error


def _command() -> click.Command:
    options = [
        click.Argument(["source"], metavar="SESSION|FILE", shell_complete=session_name),
        click.Option(
            ["-q", "--query"],
            default="",
            type=Filter(),
            metavar="FILTER",
            help="Only calls that match (docs/filter.md).",
        ),
        click.Option(
            ["--ignore"],
            multiple=True,
            metavar="PATH",
            help="Leave this path out of the comparison; may be repeated, or a list with commas (docs/replay.md).",
        ),
        click.Option(
            ["-H", "--metadata"],
            multiple=True,
            metavar="KEY: VALUE",
            help="Send this instead of the recorded values of the key; may be repeated.",
        ),
        click.Option(
            ["--timing"],
            type=click.Choice([item.value for item in Timing]),
            default="fast",
            show_default=True,
            help="Messages of a stream back to back, as they were timed, or in turns with the responses.",
        ),
        click.Option(
            ["--concurrency"],
            type=click.IntRange(1, 1000),
            default=1,
            show_default=True,
            help="Calls under way at a time.",
        ),
        click.Option(
            ["--patience"],
            type=click.FloatRange(0.001),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="How long a call may take.",
        ),
        click.Option(
            ["--include-replays"], is_flag=True, help="Send also calls that were replays themselves."
        ),
        click.Option(["--fail-on-diff"], is_flag=True, help="Exit with 1 if anything differs."),
        click.Option(
            ["--junit"],
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Write a JUnit XML report.",
        ),
        click.Option(
            ["--json", "as_json"], is_flag=True, help="One JSON object a call instead of the table."
        ),
        click.Option(
            ["--config"], type=click.Path(path_type=Path), metavar="FILE", help="Read this loom.toml."
        ),
    ]
    settings = [flag for flag in flags() if (flag.name or "").removeprefix("no_") in _SETTINGS]
    made = click.Command("replay", callback=_callback, params=[*options, *settings], help=_callback.__doc__)
    colored: click.Command = color_option(made)
    return colored


command = _command()

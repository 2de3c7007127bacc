"""``loom replay``: send the calls of a session or a file to a target, and compare the responses."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from loom.api.replay import MetadataEdit, ReplaySource, ReplayTiming
from loom.archive.stored_descriptors import StoredDescriptorSource
from loom.codec.field_path import PathError
from loom.decoding.stored_schema import StoredSchema
from loom.errors import LoomError
from loom.formats.call_file import CallFile, CallFileContent
from loom.interception import RuleSet
from loom.interception.loop_scheduler import LoopScheduler, SchemaTypes
from loom.interception.rule_interceptor import RuleInterceptor
from loom.model import Call, Messages, Metadata, Secrets, StoredDescriptorSet
from loom.model.originals import original_call
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
from loom.replay.ignore_paths import IgnorePaths
from loom.replay.plan import parse_metadata
from loom.replay.report import Tally, junit_xml, result_json, result_lines, summary_table
from loom.runtime import wiring
from loom.runtime.config_loading import Configuration, load
from loom.runtime.settings import Settings
from loom.runtime.terminal import shorten
from loom.schema import Schema
from loom.search.matching import CallMatcher
from loom.sessions import check_name, list_sessions, session_path, sessions_directory

from .flags import flag_values, flags
from .formatting import rule_lines
from .output import Output, color_option, run
from .replay_options import replay_options

_SETTINGS = frozenset(
    {
        "target", "authority", "metadata_limit", "tls", "cacert", "cert", "key", "server_name", "insecure",
        "reflection",
        "reflection_header", "proto", "import_path", "protoset", "data_dir", "mask", "rules", "fault", "fault_seed",
    }
)  # fmt: skip
"""The settings of the proxy that apply to replays too, from flags, variables and loom.toml alike."""

_MAX_LINE = 2000
_EXIT_DIFFERENT = 1
_EXIT_FAILED = 3


@dataclass(frozen=True, slots=True)
class _Request:
    """The arguments of the command, parsed."""

    source: str
    query: Query
    batch: BatchOptions
    include_replays: bool
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
    came: bool,
    through_rules: bool,
    as_json: bool,
    color: bool | None,
    **parameters: Any,
) -> None:
    """Send the calls of SESSION again, compare the responses, and report the differences.

    SESSION is the name of a session, or a file: NDJSON, a bundle, a session file or grpc-dump's JSON.

    \b
        loom replay default --target staging:50051 --ignore user.updated_at --fail-on-diff
        loom replay calls.ndjson --target localhost:50051 --junit report.xml

    Exit codes: 0 every call was sent (and, with --fail-on-diff, no response differs); 1 a response differs, with
    --fail-on-diff; 2 usage error, or no call to send; 3 a call could not be sent or did not end, or the recording is
    damaged; 130 interrupted.
    """
    configuration = load(flag_values(parameters), os.environ, config=config)
    settings = configuration.settings
    if "target" not in configuration.origins:
        raise click.UsageError("missing --target HOST:PORT, the backend to send the calls to")
    _check_rule_flags(configuration, through_rules=through_rules)
    batch = BatchOptions(
        timing=ReplayTiming(timing),
        source=ReplaySource.CAME if came or through_rules else ReplaySource.WENT,
        through_rules=through_rules,
        ignore=_ignore_paths(ignore),
        metadata=_metadata(metadata),
        patience=patience,
        concurrency=concurrency,
        secrets=Secrets(settings.secrets),
    )
    request = _Request(source, query, batch, include_replays, fail_on_diff, junit, as_json)
    click.get_current_context().exit(
        run(
            lambda: _ReplayCommand(
                request, settings, Output(color=color), Output(sys.stderr, color=color)
            ).run()
        )
    )


class _ReplayCommand:
    """One run: a pass over the recording that selects calls, a second that sends them, and the report."""

    def __init__(self, request: _Request, settings: Settings, output: Output, errors: Output) -> None:
        self._request = request
        self._settings = settings
        self._output = output
        self._errors = errors
        self._path = find_source(request.source, settings)
        self._tally = Tally()
        self._results: list[ReplayResult] = []
        self._damaged = False
        self._schema = StoredSchema(())
        self._rules = RuleSet()

    async def run(self) -> int:
        if self._request.junit is not None:
            _check_writable(self._request.junit)
        starts, descriptors = await asyncio.to_thread(self._select)
        if not starts:
            raise LoomError(
                f"{self._path}: no call to send" + (" matches the filter" if self._request.query.text else "")
            )
        target = wiring.target(self._settings)
        await target.check()
        local = wiring.local_files(self._settings)
        await local.load()
        schema = wiring.schema(self._settings, target, local)
        stored = StoredDescriptorSource(descriptors)
        for problem in stored.problems:
            self._errors.warning(f"{self._path}: {problem}")
        schema.sources.append(stored)
        try:
            interceptor = self._interceptor(schema)
            await self._send(ReplayBatch(target, schema, self._request.batch, interceptor), starts)
        except asyncio.CancelledError:
            self._report()
            self._errors.warning(f"interrupted after {self._tally.total} of {len(starts)} calls")
            raise
        finally:
            await schema.close()
            await target.close()
        self._report()
        return self._exit_code()

    def _interceptor(self, schema: Schema) -> RuleInterceptor | None:
        """What the rules of the settings do to the calls, if they are sent through them."""
        if not self._request.batch.through_rules:
            return None
        sources = wiring.rule_sources(self._settings)
        self._rules = sources.load()
        if not self._rules.active:
            raise LoomError("--through-rules: there are none: give --rules FILE or --fault")
        for warning in self._rules.warnings:
            self._errors.warning(warning)
        return RuleInterceptor(self._rules, LoopScheduler(), SchemaTypes(schema))

    def _select(self) -> tuple[list[tuple[int, int]], list[StoredDescriptorSet]]:
        """Return start time and id of each call to send, in order, and the descriptors; report problems."""
        masked: set[str] = set()
        masked_responses: set[str] = set()
        starts = []
        if self._request.query.needs_bodies:
            self._schema = StoredSchema(self._read_descriptors())
        with self._open() as content:
            self._request.batch.secrets.add(content.masked)
            for call in self._matching(content):
                starts.append((call.started_ns, call.id))
                source = original_call(call) if self._request.batch.source is ReplaySource.CAME else call
                masked |= masked_request_keys([source])
                masked_responses |= masked_response_keys(call)
            for problem in content.problems:
                self._errors.warning(problem)
            self._damaged = bool(content.problems)
        masked -= {key for key, _ in self._request.batch.metadata}
        if masked:
            names = ", ".join(sorted(masked))
            self._errors.warning(
                f"masked in the recording, so not sent: {names} (pass values with -H 'KEY: VALUE')"
            )
        if masked_responses:
            self._errors.warning(
                f"masked in the recording, so not compared: {', '.join(sorted(masked_responses))}"
            )
        return sorted(starts), content.descriptors

    def _read_descriptors(self) -> list[StoredDescriptorSet]:
        """Read the whole file for its descriptors, which a filter on bodies needs before the first call."""
        with self._open() as content:
            for _ in content.calls:
                pass
            return content.descriptors

    async def _send(self, batch: ReplayBatch, starts: list[tuple[int, int]]) -> None:
        hidden = not self._errors.is_terminal
        with (
            self._open() as content,
            click.progressbar(length=len(starts), label="replaying", file=sys.stderr, hidden=hidden) as bar,
        ):
            async for result in batch.results(by_start_time(self._matching(content), starts)):
                self._add(result)
                bar.update(1)

    def _add(self, result: ReplayResult) -> None:
        self._tally.add(result)
        if self._request.as_json:
            self._output.json(result_json(result))
        for call in (result.call, result.replay):
            if call is not None:
                call.messages = Messages()  # not in the report, and there may be many calls
        if self._request.junit is not None or result.outcome is not Outcome.SAME:
            self._results.append(result)

    def _report(self) -> None:
        if self._request.junit is not None:
            _write(self._request.junit, junit_xml(self._results, fail_on_diff=self._request.fail_on_diff))
        if self._request.as_json:
            return
        for result in self._results:
            if result.outcome is not Outcome.SAME:
                self._print(result)
        for line in summary_table(self._tally):
            self._output.line(shorten(line, _MAX_LINE))
        for line in rule_lines(self._rules):
            self._output.line(shorten(line, _MAX_LINE))

    def _exit_code(self) -> int:
        outcomes = self._tally.outcomes
        if outcomes[Outcome.SAME] or outcomes[Outcome.DIFFERENT]:
            for path in self._request.batch.ignore.unmatched_paths():
                self._errors.warning(
                    f"--ignore {path} matched nothing: check the path (docs/how-to/replay.md)"
                )
        if outcomes[Outcome.FAILED] or self._damaged:
            return _EXIT_FAILED
        return _EXIT_DIFFERENT if self._request.fail_on_diff and outcomes[Outcome.DIFFERENT] else 0

    def _print(self, result: ReplayResult) -> None:
        palette = self._output.palette
        paint = palette.warning if result.outcome is Outcome.SKIPPED else palette.error
        first, *rest = result_lines(result)
        self._output.line(paint(shorten(first, _MAX_LINE)))
        for line in rest:
            self._output.line(shorten(line, _MAX_LINE))

    def _matching(self, content: CallFileContent) -> Iterator[Call]:
        include_replays = self._request.include_replays
        calls = (call for call in content.calls if is_replayable(call, replays=include_replays))
        return CallMatcher(self._request.query, self._schema).select(calls)

    @contextlib.contextmanager
    def _open(self) -> Iterator[CallFileContent]:
        with CallFile(self._path) as file:
            yield file.read()


def _check_rule_flags(configuration: Configuration, *, through_rules: bool) -> None:
    for name in ("rules", "fault", "fault_seed"):
        origin = configuration.origins.get(name, "")
        if origin.startswith("--") and not through_rules:
            raise click.UsageError(f"{origin} has no effect without --through-rules: replays pass untouched")


def find_source(source: str, settings: Settings) -> Path:
    """Return the file of that path, or else of the session of that name."""
    path = Path(source)
    if path.is_file():
        return path
    if path.name != source:
        raise LoomError(f"no such file: {source}")
    directory = sessions_directory(settings.data_dir)
    stored = session_path(check_name(source), directory)
    if not stored.exists():
        names = ", ".join(info.name for info in list_sessions(directory)) or "none"
        raise LoomError(f"no file and no session {source!r}; sessions in {directory}: {names}")
    return stored


def _ignore_paths(texts: Sequence[str]) -> IgnorePaths:
    try:
        return IgnorePaths(texts)
    except PathError as error:
        raise LoomError(f"--ignore {error.text!r}, column {error.column}: {error}") from error


def _metadata(headers: Sequence[str]) -> Metadata:
    """Parse ``KEY: VALUE`` as grpcurl does: values of ``-bin`` keys are base64."""
    items = []
    for text in headers:
        key, colon, value = text.partition(":")
        if not colon:
            raise LoomError(f"-H: expected KEY: VALUE, got {text!r}")
        items.append(MetadataEdit(key.strip().lower(), value.strip()))
    return parse_metadata(items, ())


def _check_writable(path: Path) -> None:
    """Check before anything is sent, without leaving an empty report. A pipe is not opened twice."""
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


def _make_command() -> click.Command:
    settings = [flag for flag in flags() if (flag.name or "").removeprefix("no_") in _SETTINGS]
    command = click.Command(
        "replay", callback=_callback, params=[*replay_options(), *settings], help=_callback.__doc__
    )
    decorated: click.Command = color_option(command)
    return decorated


command = _make_command()

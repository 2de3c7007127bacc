"""The Connect conformance suite through Loom: ``make conformance``, or ``python -m tests.conformance``.

The suite (https://github.com/connectrpc/conformance) runs its clients against its servers with Loom in between.
Every case has to pass, and what Loom records of each call has to be what the suite's client reports for it; in server
mode, where the suite does not hand out its client's reports, what the suite expects. Exceptions are listed, with
reasons, in exceptions.toml.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import comparison
from .comparison import Difference
from .protocol import HERE, Messages, build_programs, compile_messages

PROGRAMS = HERE.parents[1] / ".venv" / "conformance"
_TOTAL = re.compile(r"^Total cases: (\d+)\n(\d+) passed, (\d+) failed", re.MULTILINE)
_FAILED = re.compile(r"^FAILED: (.+?):?\n((?:\t| ).*\n?)*", re.MULTILINE)
_HTTP_2 = 2  # of the enumeration HTTPVersion
_TOO_SLOW = "timed out waiting for result from server"  # which the suite does after ten seconds
_ATTEMPTS = 3
_SUITE_TIMEOUT = 1800.0  # seconds

_PROTOCOLS = {"wire": ("CONNECT", "GRPC", "GRPC_WEB"), "relay": ("GRPC",)}
_COMPRESSIONS = {
    "wire": ("IDENTITY", "GZIP", "BR", "ZSTD", "DEFLATE", "SNAPPY"),
    "relay": ("IDENTITY", "GZIP", "DEFLATE"),
}


@dataclass(frozen=True)
class Run:
    """One run of the suite."""

    engine: str
    mode: str
    program: str
    quick: bool = False

    def __str__(self) -> str:
        return f"{self.engine} {self.mode} {self.program}"


RUNS = (
    Run("wire", "client", "referenceclient"),
    Run("wire", "server", "referenceserver"),
    Run("relay", "client", "referenceclient"),
    Run("relay", "client", "grpcclient"),
    Run("relay", "server", "referenceserver"),
    Run("relay", "server", "grpcserver"),
)

QUICK_RUNS = tuple(replace(run, quick=True) for run in RUNS if run.program.startswith("reference"))
"""The part that runs with the tests."""


@dataclass
class Outcome:
    """What came of a run: the suite's own verdict, and how Loom's records differ."""

    run: Run
    passed: int = 0
    failed: int = 0
    text: str = ""
    compared: Counter[str] = field(default_factory=Counter)  # by protocol
    excepted: Counter[str] = field(default_factory=Counter)  # by reason
    differences: list[Difference] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.passed) and not self.differences


@dataclass(frozen=True)
class KnownDifference:
    """Cases that differ in some aspects in some runs, and why."""

    runs: re.Pattern[str]
    cases: re.Pattern[str]
    aspects: frozenset[str]
    text: re.Pattern[str]  # of what was reported
    reason: str

    def covers(self, run: Run, difference: Difference) -> bool:
        return (
            difference.aspect in self.aspects
            and self.runs.search(str(run)) is not None
            and self.cases.search(difference.case) is not None
            and self.text.search(str(difference.reported)) is not None
        )


def known_differences(path: Path = HERE / "exceptions.toml") -> list[KnownDifference]:
    """The listed exceptions."""
    return [
        KnownDifference(
            re.compile(item["runs"]),
            re.compile(item["cases"]),
            frozenset(item["aspects"]),
            re.compile(item.get("text", "")),
            item["reason"],
        )
        for item in tomllib.loads(path.read_text())["exception"]
    ]


def run_suite(run: Run, messages: bytes, output: Path) -> Outcome:
    """Run the suite with Loom in between, and compare; once more if the machine was too busy to start a server."""
    for attempt in range(_ATTEMPTS):
        directory = output / str(attempt)
        directory.mkdir()
        outcome = _run_once(run, messages, directory)
        if _TOO_SLOW not in outcome.text:
            break
    return outcome


def _run_once(run: Run, messages: bytes, output: Path) -> Outcome:
    (output / "messages.binpb").write_bytes(messages)
    (output / "config.yaml").write_text(_config(run))
    command = [PROGRAMS / "connectconformance", "--mode", run.mode, "--conf", output / "config.yaml"]
    if run.mode == "server":
        command += [
            "--max-servers",
            "1",
        ]  # the suite waits ten seconds for one, which several starting at once may exceed
    party = [sys.executable, "-m", "tests.conformance.party", run.mode, PROGRAMS / run.program]
    environment = {**os.environ, "CONFORMANCE_ENGINE": run.engine, "CONFORMANCE_OUTPUT": str(output)}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(HERE.parents[1]), os.environ.get("PYTHONPATH")))
    )
    done = subprocess.run(
        [*map(str, command), "--", *map(str, party)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        check=False,
        timeout=_SUITE_TIMEOUT,
    )
    (output / "suite.txt").write_text(done.stdout)
    return _compare(run, done.stdout, Messages(messages), output)


def _config(run: Run) -> str:
    """The suite's configuration: which of its cases can pass through the engine at all."""
    only_http2 = run.quick or run.engine == "relay" or run.program.startswith("grpc")
    codecs = "[CODEC_PROTO]" if run.quick or run.engine == "relay" else "[CODEC_PROTO, CODEC_JSON]"
    compressions = _COMPRESSIONS[run.engine]
    if run.quick:
        compressions = ("IDENTITY", "GZIP") if run.engine == "wire" else ("IDENTITY",)
    elif run.program.startswith("grpc"):
        compressions = ("IDENTITY", "GZIP")
    tls = "false" if run.quick or run.program.startswith("grpc") else "true"
    return f"""features:
  versions: [{"HTTP_VERSION_2" if only_http2 else "HTTP_VERSION_1, HTTP_VERSION_2"}]
  protocols: [{", ".join(f"PROTOCOL_{name}" for name in _PROTOCOLS[run.engine])}]
  codecs: {codecs}
  compressions: [{", ".join(f"COMPRESSION_{name}" for name in compressions)}]
  supportsTls: {tls}
  supportsTlsClientCerts: {tls}
  supportsHalfDuplexBidiOverHttp1: {"false" if only_http2 else "true"}
"""


def _compare(run: Run, text: str, messages: Messages, output: Path) -> Outcome:
    outcome = Outcome(run, text=text)
    differences = [*_failures(outcome), *_record_differences(outcome, messages, output)]
    known = known_differences()
    for difference in differences:
        reason = next((item.reason for item in known if item.covers(run, difference)), None)
        if reason is None:
            outcome.differences.append(difference)
        else:
            outcome.excepted[reason] += 1
    return outcome


def _failures(outcome: Outcome) -> Iterator[Difference]:
    """The cases that did not pass."""
    total = _TOTAL.search(outcome.text)
    if total is None:
        yield Difference("", "failed", "", outcome.text[-2000:])
        return
    outcome.passed = int(total[2])
    for failure in _FAILED.finditer(outcome.text):
        outcome.failed += 1
        yield Difference(failure[1], "failed", "", failure[0].partition("\n")[2].strip())
    missing = int(total[1]) - outcome.passed - outcome.failed
    if missing:
        yield Difference("", "failed", "", f"{missing} cases could not be run")


def _record_differences(outcome: Outcome, messages: Messages, output: Path) -> Iterator[Difference]:
    """How the records differ from what clients reported, or from what the suite expects of servers."""
    calls = comparison.recorded_calls(output)
    if outcome.run.mode == "client":
        for request, response in comparison.reports(output, messages):
            if request.http_version == _HTTP_2:
                outcome.compared[_protocol(request.protocol)] += 1
                found = calls.get(request.test_name, [])
                yield from comparison.compare_with_report(request, response, found, messages)
        return
    stated = comparison.expectations()
    for case, found in calls.items():
        expectation = comparison.expectation_of(case, stated)
        if expectation is not None:
            outcome.compared[_protocol_of_call(found[0])] += 1
            for call in found:
                yield from comparison.compare_with_expectation(case, call, expectation)


def _protocol(number: int) -> str:
    return ("", "Connect", "gRPC", "gRPC-Web")[number]


def _protocol_of_call(call: dict[str, Any]) -> str:
    content_type = call["content_type"]
    if content_type.startswith("application/grpc-web"):
        return "gRPC-Web"
    return "gRPC" if not content_type or content_type.startswith("application/grpc") else "Connect"


def report(outcomes: list[Outcome], shown: int) -> bool:
    """Print every difference and a table; whether all is well."""
    for outcome in outcomes:
        for difference in outcome.differences[:shown]:
            print(difference)
        if len(outcome.differences) > shown:
            print(f"… and {len(outcome.differences) - shown} more")
        kinds = Counter(
            f"{difference.aspect}: {_kind(difference.case)}" for difference in outcome.differences
        )
        for kind, count in kinds.most_common():
            print(f"{count:6} {outcome.run}: {kind}")
    print(f"\n{'engine mode program':32}{'passed':>8}{'failed':>8}{'differ':>8}{'listed':>8}  compared")
    for outcome in outcomes:
        compared = ", ".join(f"{count} {name}" for name, count in sorted(outcome.compared.items()))
        print(
            f"{outcome.run!s:32}{outcome.passed:8}{outcome.failed:8}{len(outcome.differences):8}"
            f"{outcome.excepted.total():8}  {compared}"
        )
    for outcome in outcomes:
        for reason, count in outcome.excepted.most_common():
            print(f"{count:6} {outcome.run}: {reason}")
    return all(outcome.ok for outcome in outcomes)


def _kind(case: str) -> str:
    """The name of a case without its permutation."""
    return "/".join(part for part in case.split("/") if ":" not in part)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.conformance", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=("wire", "relay"))
    parser.add_argument("--mode", choices=("client", "server"))
    parser.add_argument("--quick", action="store_true", help="the part that runs with the tests")
    parser.add_argument("--show", type=int, default=50, metavar="N", help="print N differences of each run")
    parser.add_argument("--output", type=Path, help="keep logs and reports in this directory")
    arguments = parser.parse_args()
    build_programs(PROGRAMS)
    messages = compile_messages()
    outcomes = []
    with tempfile.TemporaryDirectory() as temporary:
        base = arguments.output or Path(temporary)
        for number, run in enumerate(QUICK_RUNS if arguments.quick else RUNS):
            if arguments.engine in {None, run.engine} and arguments.mode in {None, run.mode}:
                output = base / f"{number}-{run.engine}-{run.mode}"
                output.mkdir(parents=True)
                outcomes.append(run_suite(run, messages, output))
    sys.exit(not report(outcomes, arguments.show))


if __name__ == "__main__":
    main()

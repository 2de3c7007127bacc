"""How clients reacted to injected faults: what they got, whether they retried, and how it ended. From calls alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from loom.model import Call, Direction
from loom.model.interception import ActionKind, Point
from loom.model.originals import original_messages, original_metadata

DEFAULT_WINDOW = 10.0
"""Within how many seconds after a call's end another one counts as its retry, by default."""

MAX_LISTED = 20
"""The most calls that are listed for one fault."""


@dataclass(slots=True)
class FaultTally:
    """What one fault did. Statuses are by name.

    ``hit`` counts calls; ``client_got`` their statuses; ``retried`` those that a client sent again within the window;
    ``retries`` how often, in all; ``ended`` what the last call of each chain of retries got. ``failed_for_good`` has
    ids of calls that ended with an error and were never retried, the first :data:`MAX_LISTED` of them.
    """

    name: str
    hit: int = 0
    client_got: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    retries: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    not_retried: Counter[str] = field(default_factory=Counter)
    failed_for_good: list[int] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """The result in a sentence: ``2 of 40 injected UNAVAILABLE were never retried``."""
        if not self.hit:
            return "it hit no call"
        if not self.client_got.total() or self.client_got.keys() == {"OK"}:
            return f"{self.hit} hit, and every client got OK"
        if not self.not_retried:
            return f"each of {self.hit} was retried"
        return "; ".join(
            f"{count} of {self.client_got[status]} {status} were never retried"
            for status, count in sorted(self.not_retried.items())
        )


def report_faults(
    calls: Iterable[Call], *, window: float = DEFAULT_WINDOW, key: str = "", names: Iterable[str] = ()
) -> list[FaultTally]:
    """Tally the faults that acted on calls, and those of ``names`` that did not.

    A call retries an earlier one if it has the same method and the same value of the metadata key ``key``, and starts
    within ``window`` seconds of its end. Without a key it comes from the same host, with the same first request as far
    as both are recorded: a call that was ended at its start has none. A call is the retry of one other at most.
    """
    tallies = {name: FaultTally(name) for name in names}
    groups: dict[tuple[str, object], list[Call]] = {}
    for call in sorted(calls, key=lambda item: (item.started_ns, item.id)):
        groups.setdefault((call.method, _identity(call, key)), []).append(call)
    for group in groups.values():
        claimed: set[int] = set()
        for position, call in enumerate(group):
            faults = _faults(call)
            if faults:
                retries = [] if call.id in claimed else _retries(group, position, window, claimed)
                for name in faults:
                    tally = tallies.setdefault(name, FaultTally(name))
                    if call.id in claimed:
                        _add_retry(tally, call)
                    else:
                        _add(tally, call, retries)
                claimed.update(retry.id for retry in retries)
    return [tallies[name] for name in sorted(tallies)]


def _add_retry(tally: FaultTally, call: Call) -> None:
    """Add a call that is itself a retry: its end is that of the chain it belongs to."""
    tally.hit += 1
    tally.client_got[_status(call)] += 1
    tally.retried += 1


def _add(tally: FaultTally, call: Call, retries: Sequence[Call]) -> None:
    status = _status(call)
    tally.hit += 1
    tally.client_got[status] += 1
    last = retries[-1] if retries else call
    tally.ended[_status(last)] += 1
    if retries:
        tally.retried += 1
        tally.retries += len(retries)
    elif call.is_error:
        tally.not_retried[status] += 1
        if len(tally.failed_for_good) < MAX_LISTED:
            tally.failed_for_good.append(call.id)


def _retries(group: Sequence[Call], position: int, window: float, claimed: set[int]) -> list[Call]:
    """The calls that retry this one: each starts within the window of the end of the one before, which failed."""
    retries: list[Call] = []
    last = group[position]
    request = _first_request(last)
    for call in group[position + 1 :]:
        if not last.is_error or last.ended_ns is None or call.started_ns > last.ended_ns + window * 1e9:
            break
        other = _first_request(call)
        is_other = request is not None and other is not None and request != other
        if call.started_ns >= last.ended_ns and not is_other and call.id not in claimed:
            retries.append(call)
            last = call
            request = other if request is None else request
    return retries


def _identity(call: Call, key: str) -> object:
    """What two calls have in common where one retries the other."""
    if key:
        metadata = original_metadata(call, Point.REQUEST_METADATA) or call.request_metadata
        values = tuple(value for name, value in metadata if name == key)
        return values or call.id
    return call.peer.rpartition(":")[0]


def _first_request(call: Call) -> bytes | None:
    """The first request as it came. A fault at the start may have ended the call before it was read."""
    requests = (item for item in original_messages(call) if item.direction is Direction.REQUEST)
    first = next(requests, None)
    return None if first is None else first.data


def _faults(call: Call) -> list[str]:
    """The faults that acted on a call: those that were only shadowed, or failed, did not."""
    recorded = [action for item in call.interceptions for action in item.actions]
    applied = {action.name for action in recorded if action.applied}
    idle = {action.name for action in recorded} - applied
    return [name for kind, name in call.acted if kind is ActionKind.FAULT and name not in idle]


def _status(call: Call) -> str:
    return "in flight" if call.status is None else call.status.name


def junit_report(tallies: Sequence[FaultTally]) -> bytes:
    """JUnit XML: a case per fault, which fails if it hit no call, or if a client never retried an error."""
    root = ET.Element("testsuites", name="loom faults")
    suite = ET.SubElement(root, "testsuite", name="faults", tests=str(len(tallies)))
    failures = 0
    for tally in tallies:
        case = ET.SubElement(suite, "testcase", classname="loom.faults", name=_xml(tally.name))
        if not tally.hit or tally.not_retried:
            failures += 1
            ET.SubElement(case, "failure", message=_xml(tally.sentence))
    suite.set("failures", str(failures))
    root.set("tests", str(len(tallies)))
    root.set("failures", str(failures))
    encoded: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded + b"\n"


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 excludes."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)

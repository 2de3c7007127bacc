"""Files that are damaged or made up at random: a reader reads them or says why not, and what it reads can be stored.

Every reader of files: bundles, NDJSON, grpc-dump's JSON, sessions, descriptor sets and rules. Seeded: a failure names
the seed of its file.
"""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from loom.api.summary import summarise
from loom.errors import LoomError
from loom.formats.call_file import CallFile
from loom.formats.limits import ImportLimits
from loom.interception import RuleFileError, load_rules
from loom.model import Call
from loom.model.projection import events_of, project
from loom.schema import SchemaError, parse_stored
from loom.schema.compilation.descriptor_sets import link_problems, read_descriptor_sets
from loom.schema.linker import link
from loom.sessions.event_codec import unpack
from tests.support.exports import export
from tests.support.session_files import stored_descriptors, write_session
from tests.support.traffic import altered, began, ended, many, recorded

FILES = 300
SESSIONS = 150
LIMITS = ImportLimits(line=100_000, member=100_000, unpacked=1_000_000)
TOKENS = [
    b"", b"\0", b"\xff\xfe", b"\n", b"{", b"}", b"[]", b"[" * 2_000, b'"', b"null", b"true", b"-1", b"1e400",
    b"9" * 30, b"\\ud800", b"PK\x03\x04", b"PK\x05\x06", b"\x28\xb5\x2f\xfd", b"SQLite format 3\0", b"\x80" * 10,
    b"../", b"a" * 500,
]  # fmt: skip

RULES_TOML = b"""
[[rule]]
name = "empty cart"
match = "method:acme.shop.v1.Shop/*"
percent = 50
when = { point = ["response-message"] }
do = [{ set = "items[0].price", to = 1 }]

[[fault]]
name = "slow"
match = "method:*"
delay = "10ms"
"""
RULES_JSON = b"""[{"name": "a rule", "match": "/a.B/C", "direction": "both", "set": {"a.b": 1}, "delete": ["c"],
"headers": {"set": {"x": "1"}, "add": {}, "delete": ["y"]}}]"""


def calls() -> list[Call]:
    """Calls with something of everything: metadata, an altered call, a stream, one that has not ended."""
    return recorded(*many(1, 5), *altered(6), *began(7), *ended(7), *began(8))


def mutate(content: bytes, chance: random.Random) -> bytes:
    """Change a file in one to eight places: bits, bytes, pieces, its end."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data) + 1)
        size = chance.choice([1, 2, 8, 100, 4_000])
        match chance.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at : at + size] = chance.randbytes(size)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[chance.randrange(len(data) + 1) :][:size]
            case 4:
                del data[at:]
            case _:
                token = chance.choice(TOKENS)
                data[at : at + chance.choice([0, len(token)])] = token
    return bytes(data)


def check_calls(path: Path) -> int:
    """Read a file of calls; what is read can be summarised, encoded and restored. Return the number of calls."""
    try:
        with CallFile(path, LIMITS) as file:
            content = file.read()
            read = list(content.calls)
    except LoomError:
        return 0
    for call in read:
        msgspec.json.encode(summarise(call))
        restored = list(project(unpack(msgspec.msgpack.encode([[list(events_of(call))]]))))
        assert [item.id for item in restored] == [call.id]
    assert all(isinstance(problem, str) for problem in content.problems)
    for item in content.descriptors:
        with contextlib.suppress(SchemaError):
            link(parse_stored(item).file)
    return len(read)


def fuzz(path: Path, whole: bytes, count: int, check: Callable[[Path], int]) -> list[int]:
    """Check the whole file, then ``count`` mutations of it; return the results."""
    path.write_bytes(whole)
    results = [check(path)]
    for seed in range(count):
        path.write_bytes(mutate(whole, random.Random(seed)))
        try:
            results.append(check(path))
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    return results


@pytest.mark.parametrize("kind", ["ndjson", "bundle", "grpc-dump"])
def test_files_of_calls(kind: str, tmp_path: Path) -> None:
    whole = export(kind, calls(), reveal=True)
    results = fuzz(tmp_path / "calls", whole, FILES, check_calls)
    assert results[0] == len(calls())
    assert any(0 < found <= results[0] for found in results[1:])
    assert 0 in results


def test_sessions(tmp_path: Path) -> None:
    path = tmp_path / "whole.loom.db"
    write_session(path, calls()).close()
    results = fuzz(tmp_path / "mutated.loom.db", path.read_bytes(), SESSIONS, check_calls)
    assert results[0] == len(calls())
    assert 0 in results


def test_text_and_noise(tmp_path: Path) -> None:
    chance = random.Random(1)
    for _ in range(FILES):
        parts = [chance.choice([*TOKENS, chance.randbytes(20)]) for _ in range(chance.randint(0, 20))]
        (tmp_path / "noise").write_bytes(b"".join(parts))
        assert check_calls(tmp_path / "noise") == 0


def test_descriptor_sets(tmp_path: Path) -> None:
    def check(path: Path) -> int:
        sets, problems = read_descriptor_sets([str(path)])
        assert len(sets) + len(problems) == 1
        files = [file for _, found in sets for file in found]
        link(files)
        assert all(isinstance(problem, str) for problem in link_problems(files, ()))
        return len(files)

    results = fuzz(tmp_path / "set.binpb", stored_descriptors().file_set, FILES, check)
    assert results[0] > 0
    assert 0 in results


@pytest.mark.parametrize(("name", "whole"), [("rules.toml", RULES_TOML), ("rules.json", RULES_JSON)])
def test_rules(name: str, whole: bytes, tmp_path: Path) -> None:
    def check(path: Path) -> int:
        try:
            load_rules([path])
        except RuleFileError:
            return 0
        return 1

    results = fuzz(tmp_path / name, whole, FILES, check)
    assert {0, 1} == set(results)

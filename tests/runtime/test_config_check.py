"""What ``loom check`` finds without a start."""

import datetime as dt
import socket
from pathlib import Path

import pytest

from loom.model import Address
from loom.runtime.config_check import Problem, check_configuration
from loom.runtime.config_loading import load
from tests.support.certificates import Authority, Pair

PROTO = 'syntax = "proto3"; package a; message M { string text = 1; }'


async def problems(tmp_path: Path, **flags: object) -> list[Problem]:
    values: dict[str, object] = {"target": "127.0.0.1:50051", "data_dir": str(tmp_path)}
    for name, value in flags.items():
        values[name] = (str(value),) if name in {"rules", "proto", "fault"} else str(value)
    settings = load(values, {}, cwd=tmp_path, user_dir=tmp_path).settings
    return [problem async for problem in check_configuration(settings)]


async def test_a_sound_configuration_has_no_problems(tmp_path: Path) -> None:
    proto, rules = tmp_path / "a.proto", tmp_path / "rules.toml"
    proto.write_text(PROTO)
    rules.write_text('[[fault]]\nmatch = "method:A"\nstatus = "UNAVAILABLE"\n')
    pair = Authority(tmp_path).issue("localhost")
    assert not await problems(
        tmp_path, proto=proto, rules=rules, listen_cert=pair.cert_file, listen_key=pair.key_file
    )


async def test_names_and_files(tmp_path: Path) -> None:
    (missing,) = await problems(tmp_path, target="no-such-host.invalid:1")
    assert "cannot be resolved" in missing.text
    assert not missing.fatal  # Loom starts, and waits for the name
    (listen,) = await problems(tmp_path, listen="no-such-host.invalid:1")
    assert listen.fatal
    assert "--listen" in listen.text
    broken = tmp_path / "broken.proto"
    broken.write_text("message {")
    (proto,) = await problems(tmp_path, proto=broken)
    assert "broken.proto" in proto.text
    assert not proto.fatal


async def test_rules_with_an_error(tmp_path: Path) -> None:
    (problem,) = await problems(tmp_path, fault="method:A :: status=NO_SUCH")
    assert problem.fatal
    assert "NO_SUCH" in problem.text


def dated(tmp_path: Path, days_from: int, days_to: int) -> Pair:
    now = dt.datetime.now(dt.UTC)
    return Authority(tmp_path).issue(
        "localhost",
        not_before=now + dt.timedelta(days=days_from),
        not_after=now + dt.timedelta(days=days_to),
    )


@pytest.mark.parametrize(
    ("days_from", "days_to", "text", "fatal"),
    [(-9, -1, "expired on", True), (-9, 3, "expires on", False), (1, 90, "is not valid before", True)],
)
async def test_dates_of_certificates(
    tmp_path: Path, days_from: int, days_to: int, text: str, *, fatal: bool
) -> None:
    pair = dated(tmp_path, days_from, days_to)
    (listen,) = await problems(tmp_path, listen_cert=pair.cert_file, listen_key=pair.key_file)
    assert (text in listen.text, "--listen-cert" in listen.text, listen.fatal) == (True, True, fatal)
    (client,) = await problems(tmp_path, cert=pair.cert_file, key=pair.key_file, tls="on")
    assert (text in client.text, "--cert" in client.text, client.fatal) == (True, True, fatal)


async def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, other = authority.issue("one"), authority.issue("other")
    (problem,) = await problems(tmp_path, listen_cert=one.cert_file, listen_key=other.key_file)
    assert problem == Problem(
        "--listen-key does not belong to --listen-cert: give the private key of that certificate"
    )


async def test_sessions_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    (sessions,) = await problems(tmp_path, data_dir=file)
    assert "nothing would be kept" in sessions.text
    assert not sessions.fatal


async def test_nothing_is_bound(tmp_path: Path) -> None:
    """A Loom that runs with the same configuration is not in the way."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        assert not await problems(tmp_path, listen=address, ui=address)

"""Settings that are loaded again while calls go on, in both engines."""

import asyncio
import contextlib
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.api.reload import Reloaded
from loom.errors import ConfigError, ReloadError
from loom.model import MASK, Address
from loom.runtime.settings import Settings
from tests.support.certificates import Authority, Pair
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import PROTO, SERVICE, Mirror, running_mirror, thing
from tests.support.raw_calls import stream_stream, unary_unary

Change = Callable[..., Awaitable[dict[str, str]]]

RULES = """
[[rule]]
name = "{name}"
match = "method:Chat"
when = {{ point = "request-message" }}
do = [{{ set = "text", to = "{text}" }}]
"""


@contextlib.asynccontextmanager
async def reloadable(mirror: Mirror, **settings: Any) -> AsyncIterator[tuple[LoomInstance, Change]]:
    """A Loom, and what changes its settings and reloads: the changes by key, with when they take effect."""
    loaded: list[Settings] = []
    async with running_instance(mirror, load=lambda: loaded[-1], **settings) as loom:

        async def change(**fields: Any) -> dict[str, str]:
            loaded.append(dataclasses.replace(loom.loom.settings, **fields))
            return effects(await loom.loom.reload())

        yield loom, change


def effects(reloaded: Reloaded) -> dict[str, str]:
    return {change.key: change.effect for change in reloaded.changes}


@contextlib.asynccontextmanager
async def channel_to(loom: LoomInstance, **options: Any) -> AsyncIterator[grpc.aio.Channel]:
    """A channel with a connection of its own."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(str(loom.loom.listen_address), options=own, **options) as channel:
        yield channel


async def say(channel: grpc.aio.Channel, text: str = "x") -> bytes:
    return await unary_unary(channel, f"/{SERVICE}/Say")(thing(text=text))


class Stream:
    """An open stream that is echoed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._call = stream_stream(channel, f"/{SERVICE}/Chat")()

    async def send(self, text: str) -> bytes:
        await self._call.write(thing(text=text))
        answer = await self._call.read()
        assert isinstance(answer, bytes)
        return answer

    async def end(self) -> grpc.StatusCode:
        await self._call.done_writing()
        assert await self._call.read() is grpc.aio.EOF
        return await self._call.code()


async def test_rules_change_at_once_and_a_call_keeps_those_that_it_began_with(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES.format(name="edit", text="ONE"))
    async with running_mirror() as mirror, reloadable(mirror, rules=(path,)) as (loom, change):
        assert loom.loom.interceptor is not None
        stream = Stream(loom.channel)
        assert await stream.send("a") == thing(text="ONE")
        other = tmp_path / "other.toml"
        other.write_text(RULES.format(name="edit", text="TWO"))
        assert await change(rules=(other,), fault=("method:Say :: status=ABORTED",)) == {
            "rules": "at once",
            "fault": "at once",
        }
        assert await stream.send("b") == thing(text="ONE")
        assert await stream.end() is grpc.StatusCode.OK
        later = Stream(loom.channel)
        assert await later.send("c") == thing(text="TWO")
        await later.end()
        with pytest.raises(grpc.aio.AioRpcError, match="ABORTED"):
            await say(loom.channel)
        counted = {active.rule.name: active.state.acted for active in loom.loom.interceptor.rules.active}
        assert counted["edit"] == 2  # a rule that is the same in name and match keeps its counters
        await loom.ended.wait(3)


async def test_rules_that_were_added_stay_and_files_that_changed_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES.format(name="edit", text="ONE"))
    async with running_mirror() as mirror, reloadable(mirror, rules=(path,)) as (loom, change):
        fault = {"name": "added", "match": "method:Say", "status": "ABORTED"}
        assert (await loom.post("/api/rules/tables", {"fault": fault}))[0] == 200
        assert await change() == {}
        assert loom.loom.interceptor is not None
        assert [active.rule.name for active in loom.loom.interceptor.rules.active] == ["edit", "added"]
        status, answer = await loom.send("DELETE", "/api/rules/tables?name=added")
        assert (status, [rule["name"] for rule in answer["rules"]]) == (200, ["edit"])


@pytest.mark.parametrize("engine", ["relay", "wire"])
async def test_what_begins_goes_to_the_new_target_and_what_has_begun_ends_at_the_old(engine: str) -> None:
    async with (
        running_mirror() as old,
        running_mirror() as new,
        reloadable(old, engine=engine) as (loom, change),
    ):
        stream = Stream(loom.channel)
        await stream.send("a")
        previous = loom.loom.target
        assert await change(target=Address.parse(new.address)) == {"target": "new connections"}
        async with channel_to(loom) as channel:
            assert await say(channel) == thing(text="x")
        assert [call.method.rpartition("/")[2] for call in new.received] == ["Say"]
        assert await stream.send("b") == thing(text="b")
        assert loom.loom.engine.is_using(previous)
        assert await stream.end() is grpc.StatusCode.OK
        assert [call.method.rpartition("/")[2] for call in old.received if SERVICE in call.method] == ["Chat"]
        _, stats = await loom.get("/api/stats")
        assert stats["target"]["address"] == new.address
        await loom.ended.wait(2)
        targets = {call.method.rpartition("/")[2]: call.target for call in loom.loom.history}
        assert targets == {"Chat": old.address, "Say": new.address}
        if engine == "relay":
            assert not loom.loom.engine.is_using(previous)
            assert await say(loom.channel) == thing(text="x")  # on the client's old connection
            assert len(new.received) == 2


async def test_a_target_that_was_replaced_is_closed_after_its_last_call() -> None:
    async with (
        running_mirror() as old,
        running_mirror() as new,
        reloadable(old) as (loom, change),
    ):
        loom.loom.reloader.retirement_poll = 0.01
        stream = Stream(loom.channel)
        await stream.send("a")
        previous = loom.loom.target
        await change(target=Address.parse(new.address))
        assert loom.loom.retired == [previous]
        [retirement] = [task for task in asyncio.all_tasks() if task.get_name() == "replaced target"]
        assert await stream.send("b") == thing(text="b")
        assert await stream.end() is grpc.StatusCode.OK
        await retirement
        assert loom.loom.retired == []


@pytest.mark.parametrize("engine", ["relay", "wire"])
async def test_new_connections_get_the_new_certificate(tmp_path: Path, engine: str) -> None:
    authority = Authority(tmp_path)
    first, second = authority.issue("first", "localhost"), authority.issue("second", "localhost")
    cert, key = tmp_path / "listen.pem", tmp_path / "listen.key"

    def use(pair: Pair) -> None:
        cert.write_bytes(pair.cert)
        key.write_bytes(pair.key)

    use(first)
    credentials = grpc.ssl_channel_credentials(authority.cert)
    async with (
        running_mirror() as mirror,
        reloadable(mirror, engine=engine, listen_cert=cert, listen_key=key) as (loom, change),
        grpc.aio.secure_channel(f"localhost:{loom.loom.listen_address.port}", credentials) as channel,
    ):
        stream = Stream(channel)
        await stream.send("a")
        assert await served_name(loom, authority) == "first"
        assert await change() == {}
        use(second)
        assert await served_name(loom, authority) == "first"  # until it is reloaded
        assert await change() == {"listen-cert": "new connections", "listen-key": "new connections"}
        assert await served_name(loom, authority) == "second"
        assert await stream.send("b") == thing(text="b")
        assert await stream.end() is grpc.StatusCode.OK
        key.write_bytes(first.key)
        with pytest.raises(ReloadError, match="--listen-key does not belong to --listen-cert"):
            await change()
        assert await served_name(loom, authority) == "second"


async def served_name(loom: LoomInstance, authority: Authority) -> str:
    """The common name of the certificate that Loom serves."""
    context = ssl.create_default_context(cadata=authority.cert.decode())
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(
        "localhost", loom.loom.listen_address.port, ssl=context, server_hostname="localhost"
    )
    certificate = writer.get_extra_info("peercert")
    writer.transport.abort()
    [name] = [value for parts in certificate["subject"] for key, value in parts if key == "commonName"]
    return str(name)


async def test_the_breaker_the_log_and_masks_change_at_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    async with running_mirror() as mirror, reloadable(mirror, log=first) as (loom, change):
        await loom.call("Say", thing(text="x"), metadata=(("x-tenant", "42"),))
        assert (await loom.get("/api/stats"))[1]["breaker"] is not None
        assert await change(breaker=None, log=second, mask=("x-tenant",)) == {
            "breaker": "at once",
            "log": "at once",
            "mask": "at once",
        }
        stats = (await loom.get("/api/stats"))[1]
        assert stats["breaker"] is None
        assert stats["sinks"]["log"]["path"] == str(second)
        call_id = await loom.call("Say", thing(text="y"), metadata=(("x-tenant", "43"),))
        shown = json.dumps((await loom.get(f"/api/calls/{call_id}"))[1], ensure_ascii=False)
        assert MASK in shown
        assert '"43"' not in shown
    lines = [[json.loads(line) for line in path.read_text().splitlines()] for path in (first, second)]
    assert [[line["id"] for line in part if "id" in line] for part in lines] == [[1], [2]]


async def test_sources_of_schemas_change_at_once() -> None:
    async with running_mirror(described=False) as mirror, reloadable(mirror) as (loom, change):
        call_id = await loom.call("Say", thing(text="x"))
        assert (await loom.get(f"/api/calls/{call_id}/schema"))[0] == 404
        assert await change(reflection=False, proto=(PROTO,)) == {
            "reflection": "at once",
            "proto": "at once",
        }
        status, schema = await loom.get(f"/api/calls/{call_id}/schema")
        assert (status, schema["source"]) == (200, "proto files")
        assert await change(proto=()) == {"proto": "at once"}
        assert (await loom.get(f"/api/calls/{call_id}/schema"))[0] == 404


async def test_what_needs_a_restart_is_named_and_the_rest_is_applied() -> None:
    async with running_mirror() as mirror, reloadable(mirror, mask=("x-old",)) as (loom, change):
        before = loom.loom.settings
        assert await change(
            listen=Address("localhost", 1), history_bytes=1 << 20, mask=("x-new",), drain=9.0
        ) == {
            "listen": "restart",
            "drain": "at once",
            "history-bytes": "restart",
            "mask": "restart",
        }
        after = loom.loom.settings
        assert (after.listen, after.history_bytes, after.drain) == (before.listen, None, 9.0)
        assert loom.loom.secrets.masks("x-old")
        assert loom.loom.secrets.masks("x-new")


async def test_with_an_error_nothing_changes_and_each_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES.format(name="edit", text="ONE"))
    async with (
        running_mirror() as mirror,
        running_mirror() as other,
        reloadable(mirror, rules=(path,)) as (loom, change),
    ):
        before, target = loom.loom.settings, loom.loom.target
        missing = tmp_path / "missing.pem"
        with pytest.raises(ReloadError) as raised:
            await change(
                target=Address.parse(other.address),
                drain=9.0,
                fault=("method:Say :: status=NO_SUCH",),
                listen_cert=missing,
                listen_key=missing,
            )
        assert len(raised.value.problems) == 2
        assert all("\n" not in problem for problem in raised.value.problems)
        assert [
            record.getMessage() for record in caplog.records if "not reloaded" in record.getMessage()
        ] == [f"not reloaded: {problem}" for problem in raised.value.problems]
        # Found only when the parts are built, after the new target.
        with pytest.raises(ReloadError, match=r"Is a directory|cannot be written"):
            await change(target=Address.parse(other.address), log=tmp_path)
        with pytest.raises(ReloadError, match="Loom's own address"):
            await change(target=loom.loom.listen_address)
        assert loom.loom.settings is before
        assert loom.loom.target is target
        assert await say(loom.channel) == thing(text="x")
        assert other.received == []
        assert [call.method for call in mirror.received if SERVICE in call.method] == [f"/{SERVICE}/Say"]


async def test_the_api_answers_with_the_changes_or_the_errors() -> None:
    async with running_mirror() as mirror:
        settings: list[Settings | None] = []

        def load() -> Settings:
            if (newest := settings[-1]) is None:
                raise ConfigError("loom.toml: not valid TOML")
            return newest

        async with running_instance(mirror, load=load) as loom:
            settings.append(dataclasses.replace(loom.loom.settings, drain=9.0))
            status, answer = await loom.post("/api/reload")
            assert (status, answer["changes"]) == (200, [{"key": "drain", "effect": "at once"}])
            settings.append(None)
            status, answer = await loom.post("/api/reload")
            assert (status, answer["error"]["problems"]) == (422, ["loom.toml: not valid TOML"])


@pytest.mark.parametrize("engine", ["relay", "wire"])
async def test_a_hundred_reloads_under_calls_lose_none(tmp_path: Path, engine: str) -> None:
    authority = Authority(tmp_path)
    pairs = [authority.issue(name, "localhost") for name in ("first", "second")]
    credentials = grpc.ssl_channel_credentials(authority.cert)
    async with (
        running_mirror() as first,
        running_mirror() as second,
        reloadable(first, engine=engine, listen_cert=pairs[0].cert_file, listen_key=pairs[0].key_file) as (
            loom,
            change,
        ),
        grpc.aio.secure_channel(f"localhost:{loom.loom.listen_address.port}", credentials) as channel,
    ):
        address, stopped, calls = f"localhost:{loom.loom.listen_address.port}", asyncio.Event(), 0

        async def call_again_and_again() -> None:
            nonlocal calls
            while not stopped.is_set():
                assert await say(channel) == thing(text="x")
                calls += 1

        async def connect_again_and_again() -> None:
            nonlocal calls
            own = [("grpc.use_local_subchannel_pool", 1)]
            while not stopped.is_set():
                async with grpc.aio.secure_channel(address, credentials, options=own) as other:
                    assert await say(other) == thing(text="x")
                calls += 1

        streams = [Stream(channel) for _ in range(10)]
        for stream in streams:
            await stream.send("first")
        callers = [asyncio.create_task(call_again_and_again()) for _ in range(2)]
        callers.append(asyncio.create_task(connect_again_and_again()))
        rules = {"fault": ("method:None :: status=ABORTED",)} if engine == "relay" else {}
        for number in range(100):
            pair, target = pairs[number % 2], (first, second)[number % 2]
            await change(
                target=Address.parse(target.address),
                listen_cert=pair.cert_file,
                listen_key=pair.key_file,
                mask=(f"x-{number}",) if number == 50 else loom.loom.settings.mask,
                **(rules if number % 2 else dict.fromkeys(rules, ())),
            )
            assert await streams[number % 10].send(str(number)) == thing(text=str(number))
        stopped.set()
        await asyncio.gather(*callers)
        for stream in streams:
            assert await stream.end() is grpc.StatusCode.OK
        received = [call for call in (*first.received, *second.received) if SERVICE in call.method]
        assert len(received) == calls + len(streams)
        loom.loom.flush()
        await loom.ended.wait(len(received))
        recorded = list(loom.loom.history)
        assert len(recorded) == len(received)
        assert all(call.status is not None and call.status.code == 0 for call in recorded)

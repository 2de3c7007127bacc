"""The decoding worker from its client's side: time limits, deaths, start and end."""

import asyncio
import os
import signal

import msgspec
import pytest

from loom.codec import Payload, PayloadView
from loom.decoding.worker_client import DecodingWorkerError, WorkerClient
from loom.decoding.worker_protocol import SerializedDescriptorSet
from tests.support.narrowing import required
from tests.support.protos import linked_protos, message

SCALARS = message("Scalars", f_string="x", f_int64=7).SerializeToString()


async def view_scalars(worker: WorkerClient) -> PayloadView:
    descriptor_set = SerializedDescriptorSet(linked_protos().digest, linked_protos().serialized)
    return await worker.view_payload(Payload(SCALARS), "loom.test.Scalars", [descriptor_set], 10)


def to_json(view: PayloadView) -> PayloadView:
    """A view as the page receives it: large parts are JSON already."""
    return msgspec.json.decode(msgspec.json.encode(view), type=PayloadView)


async def test_a_payload_that_takes_too_long_is_aborted() -> None:
    worker = WorkerClient(timeout=0.0)
    with pytest.raises(DecodingWorkerError, match="longer than 0 s"):
        await view_scalars(worker)
    worker.timeout = 60.0
    view = await view_scalars(worker)
    assert to_json(view).json["fString"] == "x"
    await worker.close()


async def test_a_dead_process_is_replaced() -> None:
    worker = WorkerClient()
    await view_scalars(worker)
    await required(worker._process).kill()
    view = await view_scalars(worker)
    assert to_json(view).json["fString"] == "x"
    worker._end_idle_process()  # what the idle timer does
    assert worker._process is None
    await worker.close()


async def test_a_payload_is_retried_when_the_process_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    worker = WorkerClient()
    await view_scalars(worker)

    first = required(worker._process)
    os.kill(first.pid, signal.SIGSTOP)
    decoding = asyncio.ensure_future(view_scalars(worker))
    while not worker._lock.locked():  # noqa: ASYNC110 (after that it waits for its answer)
        await asyncio.sleep(0)
    os.kill(first.pid, signal.SIGKILL)

    assert to_json(await decoding).json["fString"] == "x"
    assert worker._process is not first
    assert "the decoding process died (signal 9 (SIGKILL))" in caplog.text
    await worker.close()


async def test_a_payload_that_kills_two_processes_is_an_error_with_the_cause() -> None:
    worker = WorkerClient()
    with pytest.raises(DecodingWorkerError, match=r"died twice \(.*DecodeError.*; .*DecodeError") as caught:
        await worker.view_payload(
            Payload(SCALARS), "loom.test.Scalars", [SerializedDescriptorSet(b"digest", b"\xff")], 10
        )
    assert "\n" not in str(caught.value)
    view = await view_scalars(worker)
    assert to_json(view).json["fString"] == "x"
    await worker.close()


async def test_close_while_the_process_starts() -> None:
    worker = WorkerClient()
    worker.prepare()
    await worker.close()
    assert worker._process is None

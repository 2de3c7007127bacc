"""The worker process (``python -m loom.decoding.worker``): reads jobs, writes answers, until its input ends."""

import gc
import signal
import sys
from collections import OrderedDict
from typing import BinaryIO

import msgspec
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from loom.codec.payload_view import Payload, PayloadView, view_payload
from loom.codec.type_resolver import ChainResolver
from loom.decoding.worker_client import DecodeRequest, DecodeResponse
from loom.workers import encode_frame, read_frame

_MAX_POOLS = 64
_job_decoder = msgspec.msgpack.Decoder(DecodeRequest)
_LARGE = ("json", "json_text", "tree", "wire", "hex", "data_base64")


class Pools:
    """Pools by the digest of their files, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._pools: OrderedDict[bytes, DescriptorPool] = OrderedDict()

    def get(self, digest: bytes) -> DescriptorPool | None:
        pool = self._pools.get(digest)
        if pool is not None:
            self._pools.move_to_end(digest)
        return pool

    def add(self, digest: bytes, files: bytes) -> None:
        """SerializedDescriptorSet come with imports first, and are known to be sound."""
        pool = DescriptorPool()
        for file in FileDescriptorSet.FromString(files).file:
            pool.AddSerializedFile(file.SerializeToString())
        self._pools[digest] = pool
        while len(self._pools) > _MAX_POOLS:
            self._pools.popitem(last=False)


def answer(job: DecodeRequest, pools: Pools) -> DecodeResponse:
    """Render the payload, or ask for the files that this takes."""
    for digest, files in zip(job.digests, job.files, strict=False):
        if pools.get(digest) is None:
            pools.add(digest, files)
    found = [pools.get(digest) for digest in job.digests]
    if None in found:
        return DecodeResponse(wants=True)
    known = [pool for pool in found if pool is not None]
    descriptor = known[0].FindMessageTypeByName(job.type_name) if job.type_name else None
    payload = Payload(job.data, job.compression, job.encoding)
    rendered: PayloadView = view_payload(
        payload, descriptor, ChainResolver(known), job.max_bytes, job.max_text
    )
    fields = rendered.fields
    large = {name: msgspec.json.encode(fields[name]) for name in _LARGE if fields.get(name) is not None}
    return DecodeResponse(
        {name: fields[name] for name in fields if name not in large}, large, list(rendered.missing)
    )


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """DecodeResponse every job in turn."""
    pools = Pools()
    while True:
        try:
            job = _job_decoder.decode(read_frame(incoming))
        except EOFError:
            return
        outgoing.write(encode_frame(answer(job, pools)))
        outgoing.flush()
        del job


def main() -> None:
    # Ctrl-C goes to the whole group; this process ends when its input does. A job makes many objects and no cycles.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()

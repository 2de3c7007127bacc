"""The decoding worker (``python -m loom.decoding.worker``): answers requests until its input ends."""

import gc
import signal
import sys
from collections import OrderedDict
from typing import BinaryIO

import msgspec
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from loom.codec import ChainResolver, Payload, view_payload
from loom.workers import encode_frame, read_frame

from .worker_protocol import DecodeRequest, DecodeResponse

MAX_POOLS = 64
_JSON_FIELDS = ("json", "json_text", "tree", "wire", "hex", "data_base64")
_request_decoder = msgspec.msgpack.Decoder(DecodeRequest)


class PoolCache:
    """Descriptor pools by the digest of their descriptor set; the least recently used is evicted."""

    def __init__(self, max_pools: int = MAX_POOLS) -> None:
        self._max_pools = max_pools
        self._pools: OrderedDict[bytes, DescriptorPool] = OrderedDict()

    def get(self, digest: bytes) -> DescriptorPool | None:
        pool = self._pools.get(digest)
        if pool is not None:
            self._pools.move_to_end(digest)
        return pool

    def add(self, digest: bytes, descriptor_set: bytes) -> None:
        """Build the pool of a descriptor set that has been linked before: complete, imports first."""
        pool = DescriptorPool()
        for file in FileDescriptorSet.FromString(descriptor_set).file:
            pool.AddSerializedFile(file.SerializeToString())
        self._pools[digest] = pool
        while len(self._pools) > self._max_pools:
            self._pools.popitem(last=False)


def handle(request: DecodeRequest, cache: PoolCache) -> DecodeResponse:
    """Decode a payload, or ask for the descriptor sets that this needs."""
    for digest, descriptor_set in zip(request.digests, request.descriptor_sets, strict=False):
        if cache.get(digest) is None:
            cache.add(digest, descriptor_set)
    pools = [pool for digest in request.digests if (pool := cache.get(digest)) is not None]
    if len(pools) < len(request.digests):
        return DecodeResponse()
    descriptor = pools[0].FindMessageTypeByName(request.type_name) if request.type_name else None
    payload = Payload(request.data, request.compression, request.encoding)
    view = view_payload(payload, descriptor, ChainResolver(pools), request.max_bytes, request.max_text)
    json_fields = {}
    for name in _JSON_FIELDS:
        value = getattr(view, name)
        if value is not None:
            json_fields[name] = msgspec.json.encode(value)
            setattr(view, name, "" if isinstance(value, str) else None)
    return DecodeResponse(view, json_fields)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer the requests of a stream, one after the other, until it ends."""
    cache = PoolCache()
    while True:
        try:
            request = _request_decoder.decode(read_frame(source))
        except EOFError:
            return
        sink.write(encode_frame(handle(request, cache)))
        sink.flush()
        del request


def main() -> None:
    # Ctrl-C goes to the whole process group; the worker ends with its input. A request creates many objects and no
    # reference cycles.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()

"""Loom: a transparent gRPC debugging proxy with a live web inspector.

A call comes in → is forwarded → recorded → fanned out → decoded when viewed → shown. The packages, in that order:

* :mod:`loom.model`: calls, messages, metadata, status and events as plain data.
* :mod:`loom.proxy`: the engines that forward traffic and emit events.
* :mod:`loom.grpc_core`: the facade of gRPC's C-core, for the relay and for replays.
* :mod:`loom.recording`: the recorder and the history: events to calls in memory.
* :mod:`loom.sessions`: calls on disk.
* :mod:`loom.publishing`: fan-out of changed calls to subscribers, in bounded batches.
* :mod:`loom.schema`: descriptors from reflection, ``.proto`` files and descriptor sets.
* :mod:`loom.codec`: protobuf to JSON and back.
* :mod:`loom.decoding`: messages decoded with their schema, for display.
* :mod:`loom.interception`: rules and faults that act on what passes.
* :mod:`loom.grpcurl`: the grpcurl command of a call.
* :mod:`loom.formats`: files of calls: bundle, HAR, NDJSON, grpc-dump, tests, scripts.
* :mod:`loom.replay`: calls sent again, and the responses compared.
* :mod:`loom.search`: search and export in a worker process.
* :mod:`loom.archive`: one view of calls in memory and on disk.
* :mod:`loom.workers`: worker processes and their protocol.
* :mod:`loom.api`: the contract of the HTTP API as typed structures.
* :mod:`loom.inspector`: the HTTP API and the page.
* :mod:`loom.runtime`: settings, wiring, console, metrics, start and shutdown.
* :mod:`loom.demo`: a demo backend and demo traffic.
* :mod:`loom.cli`: the command line.
* :mod:`loom.testing`: Loom as a library for tests.
* :mod:`loom.pytest_plugin`: its fixtures for pytest.
* :mod:`loom.compression`: messages decompressed, within a limit.
* :mod:`loom.process_memory`: the memory that this process takes.
* :mod:`loom.memory_limit`: the memory limit of the process's cgroup.
* :mod:`loom.units`: formats of sizes and durations.
* :mod:`loom.errors`: the root of Loom's exceptions.
"""

__version__ = "0.1.0"

"""Loom: a transparent gRPC debugging proxy with a live web inspector.

The packages, in the order in which a call meets them:

    a call comes in → is forwarded → recorded → fanned out → decoded when looked at → shown

* :mod:`loom.model`: calls, messages, metadata, status and events as plain data.
* :mod:`loom.proxy`: the engines that forward traffic and tell of it as events.
* :mod:`loom.grpc_core`: gRPC's C-core under the relay and under replay.
* :mod:`loom.recording`: events become calls, kept in the history in memory.
* :mod:`loom.sessions`: calls on disk.
* :mod:`loom.publishing`: changes of calls go out to every browser, in batches, bounded.
* :mod:`loom.schema`: where descriptors come from (reflection, ``.proto`` files, descriptor sets).
* :mod:`loom.codec`: bytes become JSON when somebody looks, and JSON becomes bytes again.
* :mod:`loom.decoding`: schema and codec together: messages decoded for display.
* :mod:`loom.grpcurl`: the grpcurl command of a call.
* :mod:`loom.formats`: calls as files of other tools, written and read.
* :mod:`loom.replay`: calls sent again and compared.
* :mod:`loom.search`: search and export in another process.
* :mod:`loom.archive`: calls wherever they are, in memory and on disk.
* :mod:`loom.workers`: child processes for heavy work, and the messages to and from them.
* :mod:`loom.api`: the contract of the HTTP API: every answer, request and feed event as a typed structure.
* :mod:`loom.inspector`: the HTTP API and the page.
* :mod:`loom.runtime`: configuration, wiring, metrics, logging, start and shutdown.
* :mod:`loom.demo`: a backend worth looking at, and traffic for it.
* :mod:`loom.cli`: the command line.
* :mod:`loom.testing`: Loom in other people's tests.
* :mod:`loom.pytest_plugin`: its fixtures for pytest.
"""

__version__ = "0.1.0"

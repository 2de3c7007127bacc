"""Start the process that loads schema files, and build indexes from its answer."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loom.schema.descriptor_index import DescriptorIndex
from loom.workers import WorkerDiedError, WorkerProcess

from .protocol import LoadedFile, LoadRequest, response_decoder

TIMEOUT = 600.0
_WORKER = "loom.schema.compilation.worker"


@dataclass(slots=True)
class LoadedFiles:
    """The files of a kind: an index for each unit or set, and a line for each file that cannot be used."""

    indexes: list[DescriptorIndex] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def load_files(
    protos: Sequence[Path] = (),
    import_paths: Sequence[Path] = (),
    descriptor_sets: Sequence[Path] = (),
    *,
    uploaded: bool = False,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 (the time is part of the answer)
) -> tuple[LoadedFiles, LoadedFiles]:
    """Load ``.proto`` files and folders, and descriptor sets; takes at most ``timeout`` seconds. Never raises.

    For ``uploaded`` files nothing is searched for outside of their folders.
    """
    request = LoadRequest(
        [str(path) for path in protos],
        [str(path) for path in import_paths],
        [str(path) for path in descriptor_sets],
        uploaded,
    )
    try:
        worker = await WorkerProcess.start(_WORKER)
    except WorkerDiedError as error:
        return _failure(request, f"the files could not be loaded: {error}")
    try:
        async with asyncio.timeout(timeout):
            await worker.send(request)
            response = await worker.receive(response_decoder)
        await worker.end()
    except TimeoutError:
        return _failure(request, f"the files could not be loaded in {timeout:.0f} s")
    except WorkerDiedError as error:
        return _failure(request, f"the files could not be loaded: {error}")
    finally:
        await worker.kill()
    protos_loaded, sets_loaded = await asyncio.to_thread(
        lambda: (list(map(_index, response.protos)), list(map(_index, response.descriptor_sets)))
    )
    return (
        LoadedFiles(protos_loaded, response.proto_problems),
        LoadedFiles(sets_loaded, response.descriptor_set_problems),
    )


def _index(files: Iterable[LoadedFile]) -> DescriptorIndex:
    index = DescriptorIndex()
    for file in files:
        index.add_serialized(file.name, file.data, file.origin, file.services, file.types, file.extended)
    return index


def _failure(request: LoadRequest, problem: str) -> tuple[LoadedFiles, LoadedFiles]:
    """What is loaded when the process fails: nothing of either kind that was requested."""
    return (
        LoadedFiles(problems=[problem] if request.protos else []),
        LoadedFiles(problems=[problem] if request.descriptor_sets else []),
    )

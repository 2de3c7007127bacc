"""The schema of the calls: descriptors from reflection, ``.proto`` files and descriptor sets.

* :mod:`~loom.schema.schema`: looks up methods and message types in the sources, and caches them.
* :mod:`~loom.schema.single_flight`: that cache; concurrent callers share one fetch.
* :mod:`~loom.schema.source`: the interface of a source; descriptor sets with provenance, methods.

Sources:

* :mod:`~loom.schema.reflection`: the target's reflection service.
* :mod:`~loom.schema.reflection_stream`: one stream of it.
* :mod:`~loom.schema.descriptor_index`: descriptors in memory.
* :mod:`~loom.schema.local_files`: ``.proto`` files and descriptor sets, loaded again when they change.
* :mod:`~loom.schema.uploads`: files that are uploaded from the page.
* :mod:`~loom.schema.compilation`: loads such files, in a process of their own.
* :mod:`~loom.schema.protoc`: compiles ``.proto`` files that are known to compile.
* :mod:`~loom.schema.built_in_services`: gRPC's own services.
* :mod:`~loom.schema.parsing`: parses descriptors that others wrote.
* :mod:`~loom.schema.stored`: parses descriptor sets that were stored with calls.

From files to types:

* :mod:`~loom.schema.linker`: links files in a descriptor pool.
* :mod:`~loom.schema.repair`: repairs files that no compiler wrote.
* :mod:`~loom.schema.placeholders`: stands in for missing imports.
* :mod:`~loom.schema.built_in_files`: the well-known types, google.rpc and google.api.
* :mod:`~loom.schema.outline`: services, messages and enums for display.
"""

from .descriptor_index import DescriptorIndex, MemorySource
from .linker import LinkedDescriptorSet
from .local_files import LocalSources
from .outline import outline
from .protoc import ProtocError, compile_protos
from .schema import Schema
from .source import DescriptorSet, Method, Provenance, SchemaError, Source, method_kind, split_path
from .stored import parse_stored
from .uploads import UploadError

__all__ = [
    "DescriptorIndex",
    "DescriptorSet",
    "LinkedDescriptorSet",
    "LocalSources",
    "MemorySource",
    "Method",
    "ProtocError",
    "Provenance",
    "Schema",
    "SchemaError",
    "Source",
    "UploadError",
    "compile_protos",
    "method_kind",
    "outline",
    "parse_stored",
    "split_path",
]

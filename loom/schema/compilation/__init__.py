"""Load ``.proto`` files and descriptor sets of any layout, in a process of their own.

Each file is compiled as far as it can be: an import that is missing costs its types, not the files that import it.

* :mod:`~loom.schema.compilation.client`: starts the process and turns its answer into sources.
* :mod:`~loom.schema.compilation.protocol`: the messages between the two.
* :mod:`~loom.schema.compilation.worker`: the process.
* :mod:`~loom.schema.compilation.proto_text`: scans and rewrites the text of ``.proto`` files.
* :mod:`~loom.schema.compilation.proto_tree`: collects files and resolves their imports.
* :mod:`~loom.schema.compilation.partition`: divides files into units without conflicting symbols.
* :mod:`~loom.schema.compilation.unit_compiler`: compiles a unit, and repairs what protoc reports.
* :mod:`~loom.schema.compilation.stand_ins`: files with the types of imports that are missing.
* :mod:`~loom.schema.compilation.protoc_errors`: parses what protoc reports.
* :mod:`~loom.schema.compilation.descriptor_sets`: reads descriptor sets and checks that they can be linked.
"""

from .client import LoadedFiles, load_files

__all__ = ["LoadedFiles", "load_files"]

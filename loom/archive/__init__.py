"""Recorded calls wherever they are: in memory, and in the session on disk.

* :mod:`~loom.archive.archive`: find, list, search, export and import calls.
* :mod:`~loom.archive.id_remapping`: new ids for imported calls.
* :mod:`~loom.archive.stored_descriptors`: descriptor sets that came with recorded calls.
"""

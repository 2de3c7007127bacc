"""Recorded calls wherever they are: in memory, and in the session on disk.

* :mod:`~loom.archive.archive`: find, list, search, export and import calls.
* :mod:`~loom.archive.call_importer`: records the calls of a file under new ids.
* :mod:`~loom.archive.recent_matches`: matches among the calls in memory, while the search process starts.
* :mod:`~loom.archive.stored_descriptors`: descriptor sets that were stored with recorded calls.
"""

"""Decode recorded messages, with the schema of their method and the codec.

* :mod:`~loom.decoding.message_decoder`: a message as a JSON value, or why not.
* :mod:`~loom.decoding.call_decoder`: all messages of a call, with the types that their Anys name.
* :mod:`~loom.decoding.any_types`: fetches these types.
* :mod:`~loom.decoding.stored_schema`: methods and types from stored descriptor sets.
* :mod:`~loom.decoding.display`: the rows and views that the inspector shows.
* :mod:`~loom.decoding.worker_client`: decodes large messages in a worker process.
* :mod:`~loom.decoding.worker`: that process.
* :mod:`~loom.decoding.worker_protocol`: what the two send each other.

The package itself imports none of them: the worker process starts with what it needs.
"""

"""Decode recorded messages for display.

* :mod:`~loom.decoding.display`: one message as the inspector shows it.
* :mod:`~loom.decoding.messages`: all messages of a call as JSON values.
* :mod:`~loom.decoding.stored_schema`: the message types of a method, from stored descriptor sets.
* :mod:`~loom.decoding.worker`: the process that decodes large messages.
* :mod:`~loom.decoding.worker_client`: starts that process and sends it messages.
"""

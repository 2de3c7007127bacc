"""Continue the answers of a job when a second process runs it again from the start."""

import hashlib

from loom.errors import LoomError

from .protocol import Answer, Chunk, Done, Matches, Progress


class SearchError(LoomError):
    """A job failed; the text says why."""


class SearchUnavailableError(SearchError):
    """The search process died twice: the same job may well succeed later."""


class AnswerDeduplicator:
    """Drops what an earlier process of the same job has answered already."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._searched = 0
        self._size = 0  # bytes of the export
        self._position = 0  # bytes of it that the current process has answered
        self._hash = hashlib.sha256()
        self._digest_before = b""

    def restart(self) -> None:
        """Prepare for the answers of another process."""
        self._digest_before = self._hash.digest()
        self._hash = hashlib.sha256()
        self._position = 0

    def deduplicate(self, answer: Answer) -> Answer | None:
        """The part of an answer that is new, or None.

        Raises :class:`SearchUnavailableError` if the bytes of an export differ from those before.
        """
        match answer:
            case Matches():
                calls = [call for call in answer.calls if call.id not in self._ids]
                self._ids.update(call.id for call in calls)
                return Matches(calls) if calls else None
            case Progress():
                if answer.searched < self._searched:
                    return None
                self._searched = answer.searched
            case Chunk():
                return self._deduplicate_bytes(answer.data)
            case Done():
                self._check(same=self._position == self._size)
        return answer

    def _deduplicate_bytes(self, data: bytes) -> Chunk | None:
        repeated = data[: self._size - self._position]
        if repeated:
            self._hash.update(repeated)
            self._position += len(repeated)
            self._check(same=self._position < self._size or self._hash.digest() == self._digest_before)
        rest = data[len(repeated) :]
        if not rest:
            return None
        self._hash.update(rest)
        self._size += len(rest)
        self._position += len(rest)
        return Chunk(rest)

    def _check(self, *, same: bool) -> None:
        if not same:
            raise SearchUnavailableError(
                "the process that writes the file died, and a second one could not continue it: export again"
            )

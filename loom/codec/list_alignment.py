"""Find out which elements of an edited list are those of the list before, unchanged, changed or moved. No I/O."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

import msgspec

_MAX_PAIRS = 10_000  # elements that are compared to find out which one was edited

_Block = tuple[list[int], list[int]]  # indices in the list before and in the edited one


def same_json(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same: true and 1 are not, nor are 0.0 and -0.0."""
    return bool(left == right) and _text(left) == _text(right)


def align(before: Sequence[Any], edited: Sequence[Any]) -> list[int | None]:
    """For each element of the edited list its index in the list before; None if it is new.

    Lists of one length are compared by index, unless one has the elements of the other in another order.
    """
    old, new = [_text(item) for item in before], [_text(item) for item in edited]
    if len(old) == len(new) and (old == new or Counter(old) != Counter(new)):
        return list(range(len(new)))
    sources: list[int | None] = [None] * len(new)
    blocks = _match_unchanged(old, new, sources)
    _match_moved(blocks, old, new, sources)
    used = set(sources)
    for origins, targets in blocks:
        left = [index for index in origins if index not in used]
        open_targets = [index for index in targets if sources[index] is None]
        for target, source in _pair_changed(left, open_targets, before, edited):
            sources[target] = source
    return sources


def _match_unchanged(old: list[bytes], new: list[bytes], sources: list[int | None]) -> list[_Block]:
    """Match equal elements in order; the blocks between them are returned."""
    start = end = 0
    shorter = min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    sources[:start] = range(start)
    if end:
        sources[-end:] = range(len(old) - end, len(old))
    middle = old[start : len(old) - end], new[start : len(new) - end]
    blocks: list[_Block] = []
    for kind, low, high, new_low, new_high in SequenceMatcher(None, *middle, autojunk=False).get_opcodes():
        if kind == "equal":
            sources[start + new_low : start + new_high] = range(start + low, start + high)
        else:
            origins = list(range(start + low, start + high))
            blocks.append((origins, list(range(start + new_low, start + new_high))))
    return blocks


def _match_moved(blocks: list[_Block], old: list[bytes], new: list[bytes], sources: list[int | None]) -> None:
    """Match elements that are equal and at another place."""
    unused: dict[bytes, list[int]] = defaultdict(list)
    for origins, _ in blocks:
        for index in origins:
            unused[old[index]].append(index)
    for _, targets in blocks:
        for target in targets:
            if unused.get(new[target]):
                sources[target] = unused[new[target]].pop(0)


def _pair_changed(
    origins: list[int], targets: list[int], before: Sequence[Any], edited: Sequence[Any]
) -> Iterator[tuple[int, int]]:
    """Pair changed elements with those that they were: in order or, if their number differs, by what they share."""
    if len(origins) == len(targets) or len(origins) * len(targets) > _MAX_PAIRS:
        yield from zip(targets, origins, strict=False)
        return
    pairs = sorted(
        (-_shared(before[index], edited[target]), target, index) for target in targets for index in origins
    )
    used: set[int] = set()
    paired: set[int] = set()
    for score, target, index in pairs:
        if score < 0 and target not in paired and index not in used:
            paired.add(target)
            used.add(index)
            yield target, index


def _shared(left: Any, right: Any) -> int:
    """How many fields two objects share."""
    if not (isinstance(left, dict) and isinstance(right, dict)):
        return 0
    return sum(name in right and same_json(value, right[name]) for name, value in left.items())


def _text(value: Any) -> bytes:
    """A text that is the same for the same values only."""
    try:
        return msgspec.json.encode(value, order="sorted")
    except (ValueError, OverflowError):  # a lone surrogate, an integer of more than 64 bits
        return json.dumps(value, sort_keys=True).encode()

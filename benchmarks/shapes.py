"""Messages of one megabyte in many shapes (shapes.proto), identical in every run."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf import message_factory

from loom.schema import LinkedDescriptorSet, compile_protos
from loom.schema.linker import link

PROTO = Path(__file__).with_name("shapes.proto")
SIZE = 1_000_000


class Shapes:
    """A factory of messages: ``make(name)`` for each of :attr:`NAMES`, a method of ``bench.Shapes`` and a type."""

    def __init__(self) -> None:
        self.descriptor_set: LinkedDescriptorSet = link(compile_protos([PROTO], [PROTO.parent]).file)
        self._random = random.Random(1)

    def make(self, name: str) -> Any:
        descriptor = self.descriptor_set.pool.FindMessageTypeByName(f"bench.{name}")
        message = message_factory.GetMessageClass(descriptor)()
        NAMES[name][1](self, message)
        return message

    def row(self) -> dict[str, Any]:
        pick = self._random.randrange
        return {
            "id": pick(2**40), "count": pick(1000), "name": f"item {pick(10**6)}", "ok": True,
            "price": pick(10_000) / 100, "kind": pick(1, 3), "ratio": pick(1000) / 1000, "n": pick(1, 10**6),
        }  # fmt: skip

    def dense(self, message: Any) -> None:
        self._fill(message, lambda: message.rows.add(**self.row()))

    def points(self, message: Any) -> None:
        pick = self._random.randrange
        self._fill(message, lambda: message.points.add(x=pick(1, 127), y=1, z=pick(300)))

    def tree(self, message: Any) -> None:
        self._fill(message, lambda: self._grow(message.children.add(), 4), 20)

    def _grow(self, message: Any, depth: int) -> None:
        pick = self._random.randrange
        message.name = f"node {pick(1000)}"
        message.at.seconds = 1_700_000_000 + pick(10**6)
        message.at.nanos = pick(2) * pick(10**9)
        for _ in range(3 if depth else 0):
            self._grow(message.children.add(), depth - 1)

    def maps(self, message: Any) -> None:
        pick = self._random.randrange

        def add() -> None:
            message.labels[f"label {pick(10**9)}"] = f"value {pick(10**5)}"
            message.points[pick(2**40)].x = pick(1, 100)
            message.numbers[pick(2**31)] = self._random.random()

        self._fill(message, add)

    def packed(self, message: Any) -> None:
        pick = self._random.randrange

        def add() -> None:
            message.ints.extend(pick(10**5) for _ in range(10))
            message.doubles.extend(self._random.random() for _ in range(5))
            message.longs.extend(pick(2**50) for _ in range(5))
            message.flags.extend([True, False])
            message.kinds.extend([1, 2, 0])

        self._fill(message, add)

    def vector(self, message: Any) -> None:
        message.values.extend(self._random.gauss(0, 1) for _ in range(SIZE // 4))

    def small(self, message: Any) -> None:
        message.values.extend(self._random.randrange(128) for _ in range(SIZE))

    def texts(self, message: Any) -> None:
        self._fill(
            message, lambda: message.lines.append(f"line {self._random.randrange(10**6)} of a text, é")
        )

    def blobs(self, message: Any) -> None:
        self._fill(message, lambda: message.parts.append(self._random.randbytes(16)))

    def document(self, message: Any) -> None:
        message.text = 'Lorem ipsum "dolor"\n' * (SIZE // 60)
        message.data = self._random.randbytes(SIZE // 3)
        message.more = "é" * (SIZE // 6)

    def anys(self, message: Any) -> None:
        def add() -> None:
            inner = message_factory.GetMessageClass(
                self.descriptor_set.pool.FindMessageTypeByName("bench.Row")
            )
            message.items.add().Pack(inner(**self.row()))

        self._fill(message, add)

    def config(self, message: Any) -> None:
        def add() -> None:
            key, number = f"key {self._random.random()}", self._random.random()
            message.value[key] = {"a": number, "b": [1, "x", None, True]}

        self._fill(message, add)

    def orders(self, message: Any) -> None:
        pick = self._random.randrange

        def add() -> None:
            made = message.orders.add(
                id=pick(2**40), rows=[self.row() for _ in range(3)], labels={"tier": "gold", "env": "prod"},
                token=self._random.randbytes(16), codes=[1, 2, pick(300)], card="4111",
            )  # fmt: skip
            made.at.seconds = 1_700_000_000 + pick(10**6)

        self._fill(message, add)

    @staticmethod
    def _fill(message: Any, add: Callable[[], Any], at_once: int = 500) -> None:
        """Add values until the message has about the size."""
        while (left := SIZE - message.ByteSize()) > 0:
            start = message.ByteSize()
            for _ in range(at_once):
                add()
            at_once = max(1, min(at_once, (left * at_once) // max(1, message.ByteSize() - start) // 2))


NAMES: dict[str, tuple[str, Callable[[Shapes, Any], None]]] = {
    "Dense": ("rows of eight small fields", Shapes.dense),
    "Points": ("messages of three small numbers", Shapes.points),
    "Tree": ("nested messages with timestamps", Shapes.tree),
    "Maps": ("maps of strings, messages, doubles", Shapes.maps),
    "Packed": ("packed numbers of five types", Shapes.packed),
    "Vector": ("packed floats", Shapes.vector),
    "Small": ("packed numbers of one byte", Shapes.small),
    "Texts": ("short strings", Shapes.texts),
    "Blobs": ("bytes, 16 at a time", Shapes.blobs),
    "Document": ("three large strings and bytes", Shapes.document),
    "Anys": ("Anys", Shapes.anys),
    "Config": ("a Struct", Shapes.config),
    "Orders": ("orders: a mixture of all", Shapes.orders),
}
"""The shapes: description and factory of each."""

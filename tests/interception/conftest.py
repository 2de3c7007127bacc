"""The shop's types, for rules on its messages."""

from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool

from loom.codec import encode
from tests.support.schemas import SHOP, compiled, pool_of


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> DescriptorPool:
    return pool_of(compiled(tmp_path_factory.mktemp("protos"), shop=SHOP))


@pytest.fixture(scope="session")
def item_type(pool: DescriptorPool) -> Descriptor:
    return pool.FindMessageTypeByName("acme.shop.Item")


class ShopTypes:
    """A method that takes and returns the shop's items, and JSON to and from their bytes."""

    def __init__(self, pool: DescriptorPool) -> None:
        self.pool = pool
        self.request = self.response = pool.FindMessageTypeByName("acme.shop.Item")

    def item(self, **fields: object) -> bytes:
        return encode(fields, self.request, self.pool)


@pytest.fixture(scope="session")
def shop(pool: DescriptorPool) -> ShopTypes:
    return ShopTypes(pool)


def write_rules(folder: Path, text: str, name: str = "rules.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path

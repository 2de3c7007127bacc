"""A whole Loom before a mirror, for the tests of every resource."""

from collections.abc import AsyncIterator

import pytest

from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import running_mirror


@pytest.fixture
async def api() -> AsyncIterator[LoomInstance]:
    async with running_mirror() as mirror, running_instance(mirror) as made:
        yield made

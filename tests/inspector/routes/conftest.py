"""A whole Loom before a mirror, for the tests of every resource."""

from collections.abc import AsyncIterator

import pytest

from tests.support.mirror import running_mirror
from tests.support.whole import Running, running


@pytest.fixture
async def api() -> AsyncIterator[Running]:
    async with running_mirror() as mirror, running(mirror) as made:
        yield made

"""The backend of the tests with a session on disk."""

from collections.abc import AsyncIterator

import pytest

from tests.support.mirror import Mirror, running_mirror


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    async with running_mirror() as made:
        yield made

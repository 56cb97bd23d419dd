from collections.abc import Iterator

import pytest

from tests.sandbox.vendors.callers import Site, opened


@pytest.fixture
def site() -> Iterator[Site]:
    with opened() as site:
        yield site

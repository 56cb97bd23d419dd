from collections.abc import Iterator

import pytest

from tests.browser.chromium import find
from tests.browser.player import Player, chromium


@pytest.fixture(scope="session")
def player() -> Iterator[Player]:
    """A running Chromium; without one the tests that ask for it are skipped."""
    executable = find()
    if executable is None:
        pytest.skip("NO CHROMIUM: nothing was checked in a real player. Install Debian's chromium, or Google Chrome.")
    with chromium(executable) as running:
        yield running

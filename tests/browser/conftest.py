from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.browser.chromium import find
from tests.browser.player import Player, chromium

PLAYWRIGHT_THREAD = ThreadPoolExecutor(1, thread_name_prefix="playwright")
"""Playwright leaves an event loop running in the thread that it is used in; other tests want to run their own."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if "player" not in pyfuncitem.fixturenames:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    PLAYWRIGHT_THREAD.submit(pyfuncitem.obj, **arguments).result()
    return True


@pytest.fixture(scope="session")
def player() -> Iterator[Player]:
    """A running Chromium; without one the tests that ask for it are skipped."""
    executable = find()
    if executable is None:
        pytest.skip("NO CHROMIUM: nothing was checked in a real player. Install Debian's chromium, or Google Chrome.")
    context = chromium(executable)
    yield PLAYWRIGHT_THREAD.submit(context.__enter__).result()
    PLAYWRIGHT_THREAD.submit(context.__exit__, None, None, None).result()
    PLAYWRIGHT_THREAD.shutdown()

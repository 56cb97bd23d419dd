"""One Prefect for all tests of a session, in a folder of its own; and somebody who takes our webhooks."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.flows.bench import Bench
from tests.flows.receiver import Receiver


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        for unused in ("ANALYTICS", "UI", "SERVICES_SCHEDULER", "SERVICES_LATE_RUNS", "SERVICES_TRIGGERS"):
            patch.setenv(f"PREFECT_SERVER_{unused}_ENABLED", "false")
        from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415 - it reads the environment

        with prefect_test_harness(server_startup_timeout=60):
            yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


@pytest.fixture
def bench(tmp_path: Path, receiver: Receiver) -> Iterator[Bench]:
    """With one announcement that is due."""
    made = Bench(tmp_path, receiver.url)
    with closing(made.database):
        made.announce()
        yield made

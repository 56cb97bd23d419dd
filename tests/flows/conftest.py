"""One Prefect for all tests of a session, in a folder of its own."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        for unused in ("ANALYTICS", "UI", "SERVICES_SCHEDULER", "SERVICES_LATE_RUNS", "SERVICES_TRIGGERS"):
            patch.setenv(f"PREFECT_SERVER_{unused}_ENABLED", "false")
        from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415 - it reads the environment

        with prefect_test_harness(server_startup_timeout=60):
            yield

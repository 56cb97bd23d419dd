"""A sandbox of clouds for each module, and a new bucket in each of them for a test."""

from collections.abc import Iterator

import pytest

from deployments.sandbox.clouds import Clouds, FaultPlan
from tests.clouds import CLOUDS, running_clouds
from tests.faults.cloudy import Place


@pytest.fixture(scope="module")
def running() -> Iterator[Clouds]:
    with running_clouds() as clouds:
        yield clouds


@pytest.fixture
def clouds(running: Clouds) -> Iterator[Clouds]:
    running.journal.clear()
    yield running
    running.faults = FaultPlan()


@pytest.fixture(params=CLOUDS)
def place(request: pytest.FixtureRequest, clouds: Clouds) -> Place:
    return Place.new(clouds, request.param)

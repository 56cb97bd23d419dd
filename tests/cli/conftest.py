"""What tests of commands share."""

from pathlib import Path

import pytest

from tests.cli.site import Site, set_up


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return set_up(tmp_path, monkeypatch)

import pytest

from tests.conformance.conftest import LIVE


@pytest.mark.live
def test_real_buckets_were_named() -> None:
    """The suite beside this module runs on them too."""
    if not LIVE:
        pytest.skip("AFTERTAKE_LIVE_STORES names no store URLs, so no real bucket was tried: see CONTRIBUTING.md")

"""From `start` to the verdict, at vendors that really record: what is asked, what is heard, what comes of it."""

import time
from collections.abc import Iterator

import pytest

from catalog.events import Word
from catalog.model import State, Verdict
from deployments.sandbox.vendors import SCRIPTS
from tests.flows.vendor_site import PACE, VendorSite, vendor_site
from vendors.recorder import NoSuchCallError
from vendors.registry import RECORDED


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VendorSite]:
    with pytest.MonkeyPatch.context() as patch, vendor_site(tmp_path_factory.mktemp("site"), patch.setenv) as site:
        yield site


@pytest.mark.parametrize("vendor", RECORDED)
def test_from_its_start_to_its_verdict(site: VendorSite, vendor: str) -> None:
    recording = site.start(vendor, "a")
    known = site.catalog.get(recording)
    assert (known.state, known.source, known.folder, known.room) == (State.RECORDING, vendor, "calls/", "a")
    if vendor == "jocloud":
        with pytest.raises(NoSuchCallError):
            site.recordings.status(recording)
    else:
        assert site.recordings.status(recording).word is Word.RECORDING
    time.sleep(4 / PACE)
    status = site.recordings.stop(recording)
    assert status.word.is_end
    site.vendors.wait_idle(60)
    assert site.recordings.stop(recording).word.is_end
    assert site.settled(recording).verdict is Verdict.COMPLETE, site.causes(recording)
    assert site.recordings.stop(recording).word.is_end
    assert site.catalog.get(recording).state is State.SETTLED


EXPECTED = {
    "late slice": Verdict.COMPLETE,
    "late uploads": Verdict.COMPLETE,
    "backup store": Verdict.COMPLETE,
    "failover hole": Verdict.GAPS,
    "failover overlap": Verdict.COMPLETE,
    "partial playlist": Verdict.COMPLETE,
    "playlist missing": Verdict.GAPS,
    "no ENDLIST": Verdict.COMPLETE,
    "orphans": Verdict.COMPLETE,
    "wrong bucket": Verdict.MISSING,
    "several files": Verdict.COMPLETE,
    "nobody published": Verdict.EMPTY,
    "lost webhooks": Verdict.COMPLETE,
    "doubled webhooks": Verdict.COMPLETE,
    "damaged slice": Verdict.GAPS,
}


@pytest.mark.parametrize("vendor", RECORDED)
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts(site: VendorSite, vendor: str, script: str) -> None:
    recording = site.record(vendor, f"{vendor}-{script}".replace(" ", "_"), SCRIPTS[script])
    found = site.settled(recording)
    print(vendor, script, found.verdict, site.causes(recording))
    if found.manifest:
        manifest = site.manifest(recording)
        print([(f.code, f.detail) for f in manifest.findings], [g for s in manifest.streams for g in s.gaps])

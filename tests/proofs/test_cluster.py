"""The judge of the cluster's proofs sees what must not be; it is shown each fault once, on a site in this process."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.records import run_lease
from storage.keys import output_key
from storage.local import LocalStore
from tests.flows.folders import manifests
from tests.flows.site import Site, recording_id
from tests.proofs.cluster_judge import judge, show
from tests.proofs.cluster_parts import lay, media, pid_of, queue_of, undisturbed
from tests.proofs.table import Table

NUMBERS = range(1, 4)
MINUTE = timedelta(minutes=1)

Spoil = Callable[[Site], object]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """All recordings are processed."""
    site = Site(tmp_path / "site")
    lay(site, NUMBERS)
    for number in NUMBERS:
        site.submit(number, queue_of(number))
        site.process(number)
    return site


def found(site: Site, tmp_path: Path) -> set[str]:
    """What the judge finds fault with."""
    expected, _ = undisturbed(site, tmp_path / "undisturbed", NUMBERS)
    assert len(expected) == len(NUMBERS)
    return {fault for fault, where in judge(site, NUMBERS, expected).faults.items() if where}


def test_a_sound_site_has_no_faults(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(site, tmp_path) == set()

    table = Table()
    show(table, judge(site, NUMBERS, media(site.output)))
    assert table.missed == []
    assert "3 of 3" in capsys.readouterr().out


def second_manifest(site: Site) -> None:
    first = min(manifests(site.output))
    LocalStore(site.output).copy(first, output_key(first.replace("/000001", "/000002")))


def no_mp4(site: Site) -> None:
    LocalStore(site.output).delete(min(media(site.output)))


def another_mp4(site: Site) -> None:
    one, other = sorted(media(site.output))[:2]
    LocalStore(site.output).copy(one, output_key(other))


def one_mp4_more(site: Site) -> None:
    LocalStore(site.output).copy(min(media(site.output)), output_key("media/agora/stray.mp4"))


def held_recording(site: Site) -> None:
    site.catalog.claims.take(recording_id(1), holder="somebody", ttl=MINUTE, cause="again")


def held_run(site: Site) -> None:
    site.catalog.claims.lead(run_lease("bulk#1"), holder="somebody", ttl=MINUTE)


def processed_twice(site: Site) -> None:
    site.process(1, site.worker(is_forced=True))


def open_upload(site: Site) -> None:
    LocalStore(site.output).start_multipart(output_key("media/agora/half.mp4")).put_part(1, b"half")


def open_run(site: Site) -> None:
    site.submit(9)
    site.catalog.runs.hand_over(most=10, batch=10)


@pytest.mark.parametrize(
    ("spoil", "faults"),
    [
        (second_manifest, {"without exactly one manifest"}),
        (no_mp4, {"MP4s missing"}),
        (another_mp4, {"MP4s other than undisturbed"}),
        (one_mp4_more, {"MP4s too many"}),
        (held_recording, {"not settled", "leases left"}),
        (held_run, {"leases left"}),
        (processed_twice, {"settled twice"}),
        (open_upload, {"uploads left"}),
        (open_run, {"runs left in the catalog"}),
    ],
)
def test_each_fault_is_seen(site: Site, tmp_path: Path, spoil: Spoil, faults: set[str]) -> None:
    spoil(site)

    assert found(site, tmp_path) == faults


def test_the_process_of_an_actor() -> None:
    assert pid_of("some:host:4711:0a1b2c3d") == 4711
    assert pid_of("dead") == 0

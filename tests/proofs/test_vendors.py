"""The judge of `make proof-vendors` sees what it is there to see; what it judges is for the proof itself."""

from catalog.model import Cause, Gap
from deployments.sandbox.cutting import mp4_of
from tests.lab import Slice, cut, flash_and_beep, restamp, sightings
from tests.proofs.vendor_cases import VENDORS, cases
from tests.proofs.vendor_judging import content_faults, ends_apart_s, seconds_of


def slices() -> list[Slice]:
    return list(cut(flash_and_beep(6), 2))


def test_what_is_whole_has_no_fault() -> None:
    pieces = [piece.data for piece in slices()]
    assert seconds_of(pieces) == set(range(6))
    whole = mp4_of(pieces)
    assert list(content_faults(whole, range(6), ())) == []
    assert ends_apart_s(whole) < 0.1


def test_seconds_that_are_lost_are_seen_unless_the_manifest_says_so() -> None:
    first, _, last = (piece.data for piece in slices())
    holed = mp4_of([first, last])
    lost = "seconds [2, 3] of [0, 1, 2, 3, 4, 5] are not"
    assert [fault for fault in content_faults(holed, range(6), ()) if lost in fault]
    begins_s = sightings(holed)[0][0][1]
    gap = Gap(
        track="both",
        from_s=begins_s + 2,
        to_s=begins_s + 4,
        from_utc=None,
        to_utc=None,
        cause=Cause.MISSING,
        segment="calls/a_1.ts",
    )
    assert list(content_faults(holed, range(6), [gap])) == []


def test_seconds_that_come_twice_are_seen() -> None:
    first, second, last = (piece.data for piece in slices())
    doubled = mp4_of([first, second, restamp(second, 2 * 90_000), restamp(last, 2 * 90_000)])
    found = list(content_faults(doubled, range(6), ()))
    assert "seconds [2, 3] are seen twice" in found
    assert "seconds [2, 3] are heard twice" in found


def test_every_case_has_a_room_of_its_own() -> None:
    rooms = [case.room for case in cases()]
    assert len(rooms) == len(set(rooms))
    assert {case.vendor for case in cases()} == set(VENDORS)

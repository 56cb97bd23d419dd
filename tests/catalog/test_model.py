from dataclasses import replace

import pytest

from catalog.errors import LayoutError
from catalog.model import RecordingId, Verdict
from tests.catalog.builders import gap, output_track


def test_verdicts_are_ranked_by_what_is_delivered_and_then_by_what_is_known() -> None:
    assert sorted(Verdict, key=lambda verdict: verdict.rank) == [
        Verdict.UNREADABLE,
        Verdict.EMPTY,
        Verdict.MISSING,
        Verdict.DAMAGED,
        Verdict.GAPS,
        Verdict.COMPLETE,
    ]
    assert len({verdict.rank for verdict in Verdict}) == len(Verdict)


def test_only_complete_and_gaps_are_published() -> None:
    assert {verdict for verdict in Verdict if verdict.is_published} == {Verdict.COMPLETE, Verdict.GAPS}


@pytest.mark.parametrize("vendor", ["agora", "zego", "jocloud", "plain", "v-2"])
def test_a_vendor_is_a_short_word(vendor: str) -> None:
    assert RecordingId(vendor=vendor, task_id="Ab_1").vendor == vendor


@pytest.mark.parametrize(
    ("vendor", "task_id"),
    [
        ("", "a"),
        ("Agora", "a"),
        ("a_b", "a"),
        ("a/b", "a"),
        ("1a", "a"),
        ("a" * 21, "a"),
        ("agora\n", "a"),
        ("agora", ""),
    ],
)
def test_what_names_no_recording_is_refused(vendor: str, task_id: str) -> None:
    with pytest.raises(LayoutError):
        RecordingId(vendor=vendor, task_id=task_id)


def test_a_ledger_closes_when_every_sample_is_accounted_for() -> None:
    base = {"samples_in": 100, "trimmed": 7, "dropped": 3, "inserted": 20}

    assert output_track(**base, samples_out=110).closes
    assert not output_track(**base, samples_out=109).closes


@pytest.mark.parametrize(("from_s", "to_s"), [(2.0, 1.0), (float("nan"), 1.0), (0.0, float("nan"))])
def test_a_span_does_not_end_before_it_begins(from_s: float, to_s: float) -> None:
    with pytest.raises(ValueError, match="before it begins"):
        replace(gap(), from_s=from_s, to_s=to_s)


def test_a_span_has_a_length() -> None:
    assert gap(12.0, 24.5).duration_s == 12.5

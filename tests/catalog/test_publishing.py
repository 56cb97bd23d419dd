import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from catalog.errors import DocumentError
from catalog.layout import IndexAxis, IndexKey, LatestKey, ManifestKey, decode_key
from catalog.manifest import content_digest, digest12, from_json
from catalog.model import Manifest, Mode, StreamKind, Verdict
from catalog.publishing import (
    index_documents,
    latest_document,
    manifest_document,
    next_revision,
    read_latest,
    read_pointer,
    revisions,
    what_is_worse,
)
from tests.catalog.builders import SID, gap, manifest, output, stream

RECORDING = manifest().recording
FIRST = datetime(2026, 5, 3, 15, 2, 3, 456_000, tzinfo=UTC)


def key(revision: int, digest: str = "0123456789ab", task_id: str = SID) -> str:
    return ManifestKey(vendor="agora", task_id=task_id, revision=revision, digest12=digest).key


def test_the_hint_is_no_revision() -> None:
    assert revisions(RECORDING, []) == ()
    assert revisions(RECORDING, [LatestKey(vendor="agora", task_id=SID).key]) == ()


def test_the_next_revision_names_the_one_it_supersedes() -> None:
    later = next_revision(manifest(), manifest(revision=7), key(7))

    assert (later.revision, later.supersedes) == (8, key(7))


def test_the_highest_listed_revision_counts_whatever_the_order() -> None:
    listed = [key(number) for number in (1, 2, 9, 10, 1_000_000)]
    random.Random(7).shuffle(listed)

    assert [each.revision for each in revisions(RECORDING, listed)] == [1, 2, 9, 10, 1_000_000]


def test_strange_keys_and_other_recordings_do_not_count() -> None:
    listed = [
        key(3),
        key(8, task_id=SID + "0"),
        f"manifests/agora/{SID}/000009-0123456789ab.json.tmp",
        f"manifests/agora/{SID}/9-0123456789ab.json",
        f"manifests/zego/{SID}/000012-0123456789ab.json",
    ]

    assert [each.revision for each in revisions(RECORDING, listed)] == [3]


def test_two_writers_of_one_number_have_one_newest() -> None:
    listed = [key(2, "ffffffffffff"), key(2, "000000000000"), key(1)]

    assert revisions(RECORDING, listed)[-1].digest12 == "ffffffffffff"
    assert revisions(RECORDING, listed) == revisions(RECORDING, listed[::-1])


def test_a_long_task_id_finds_its_revisions_again() -> None:
    long = manifest(task_id="t" * 4_096)

    assert [each.revision for each in revisions(long.recording, [manifest_document(long).key])] == [1]


def test_a_manifest_is_stored_under_its_revision_and_digest() -> None:
    stored = manifest_document(manifest(revision=12))

    assert stored.key == f"manifests/agora/{SID}/000012-{digest12(stored.body)}.json"
    assert from_json(stored.body).revision == 12


def test_latest_points_at_a_manifest() -> None:
    value = manifest(revision=2)
    stored = latest_document(value, manifest_document(value).key)
    latest = read_latest(stored.body)

    assert stored.key == f"manifests/agora/{SID}/latest.json"
    assert (latest.manifest, latest.revision) == (manifest_document(value).key, 2)
    assert (latest.content_digest, latest.verdict) == (content_digest(value), Verdict.COMPLETE)


def call() -> Manifest:
    return manifest(
        stream("7_audio", user="7", kind=StreamKind.PARTICIPANT),
        stream("7_video", user="7", kind=StreamKind.PARTICIPANT),
        stream("8_audio", user="Anna/8", kind=StreamKind.PARTICIPANT),
        stream("board", kind=StreamKind.WHITEBOARD),
        mode=Mode.INDIVIDUAL,
    )


def test_a_recording_is_found_by_its_room_users_and_streams() -> None:
    documents = index_documents(call(), "manifests/x", first_published_at=FIRST)
    pointers = [read_pointer(each.body) for each in documents]

    assert [(each.axis, each.id, each.streams) for each in pointers] == [
        (IndexAxis.ROOM, "math-7", ("7_audio", "7_video", "8_audio", "board")),
        (IndexAxis.USER, "7", ("7_audio", "7_video")),
        (IndexAxis.USER, "Anna/8", ("8_audio",)),
        (IndexAxis.STREAM, "7_audio", ("7_audio",)),
        (IndexAxis.STREAM, "7_video", ("7_video",)),
        (IndexAxis.STREAM, "8_audio", ("8_audio",)),
        (IndexAxis.STREAM, "board", ("board",)),
    ]
    assert {each.manifest for each in pointers} == {"manifests/x"}


def test_pointers_stand_where_their_fields_say() -> None:
    for each in index_documents(call(), "manifests/x", first_published_at=FIRST):
        pointer = read_pointer(each.body)
        assert decode_key(each.key) == IndexKey(
            axis=pointer.axis,
            id=pointer.id,
            first_published_at=pointer.first_published_at,
            vendor=pointer.vendor,
            task_id=pointer.task_id,
        )


def test_a_later_revision_replaces_the_pointers_of_an_earlier_one() -> None:
    later = replace(call(), revision=2, created_at=datetime(2026, 5, 9, tzinfo=UTC))

    before = [each.key for each in index_documents(call(), "manifests/1", first_published_at=FIRST)]
    after = [each.key for each in index_documents(later, "manifests/2", first_published_at=FIRST)]

    assert before == after


def test_a_recording_without_a_room_or_users_has_pointers_of_its_streams_only() -> None:
    documents = index_documents(manifest(room=None), "manifests/x", first_published_at=FIRST)

    assert [each.key.split("/")[1:3] for each in documents] == [["stream", "mix"]]


def test_a_document_of_another_kind_is_refused() -> None:
    latest = latest_document(manifest(), "manifests/x").body

    with pytest.raises(DocumentError, match=r"aftertake\.latest/1"):
        read_pointer(latest)
    with pytest.raises(DocumentError, match=r"not aftertake\.latest/1"):
        read_latest(b"{}")


def test_a_better_revision_is_worse_in_nothing() -> None:
    old = manifest(stream(gaps=(gap(),)), verdict=Verdict.GAPS)

    assert what_is_worse(old, manifest()) == ()
    assert what_is_worse(manifest(), manifest()) == ()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (manifest(), manifest(stream(gaps=(gap(),)), verdict=Verdict.GAPS), "falls from complete to gaps"),
        (manifest(), manifest(stream("other")), "stream mix was published and would be no more"),
        (manifest(), manifest(stream(outputs=())), "stream mix was published and would be no more"),
        (manifest(), manifest(stream(duration_s=59.9)), "becomes shorter: 60.000 s, then 59.900 s"),
        (
            manifest(stream(gaps=(gap(0.0, 1.0),)), verdict=Verdict.GAPS),
            manifest(stream(gaps=(gap(0.0, 1.0), gap(4.0, 6.0))), verdict=Verdict.GAPS),
            "loses more: 1.000 s, then 3.000 s",
        ),
    ],
)
def test_what_is_worse_is_said(old: Manifest, new: Manifest, complaint: str) -> None:
    assert any(complaint in each for each in what_is_worse(old, new))


def test_a_stream_that_was_never_published_cannot_become_worse() -> None:
    old = manifest(stream(outputs=()), verdict=Verdict.MISSING)
    new = manifest(stream(duration_s=1.0, gaps=(gap(),), outputs=(output(),)), verdict=Verdict.GAPS)

    assert what_is_worse(old, new) == ()


def test_that_nobody_published_is_not_worse_than_a_loss() -> None:
    lost, nothing = manifest(verdict=Verdict.MISSING), manifest(verdict=Verdict.EMPTY)
    assert what_is_worse(lost, nothing) == ()
    assert what_is_worse(manifest(verdict=Verdict.GAPS), nothing) != ()

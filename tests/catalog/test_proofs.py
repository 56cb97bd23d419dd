import gzip
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import DocumentError
from catalog.layout import decode_key
from catalog.proofs import SegmentProof, decode_proofs, encode_proofs
from media.clock import ClockSource, WallClock

PROOF = SegmentProof(
    key="rec/5f0c_math-7_20260503140011250.ts",
    size_bytes=1_880,
    etag='"e1"',
    crc64xz="995dc9bbdf1939fa",
    proof="crc64xz",
    wall_clock=WallClock(at=datetime(2026, 5, 3, 14, 0, 11, 250_000, tzinfo=UTC), source=ClockSource.SLICE_NAME),
    first_tick=900_000,
    last_tick=1_440_000,
    samples={"video": 90, "audio": 281},
    findings=("recorder_loss",),
)
LOST = replace(
    PROOF,
    size_bytes=None,
    etag=None,
    crc64xz=None,
    proof=None,
    wall_clock=None,
    first_tick=None,
    last_tick=None,
    samples={},
    findings=("segment_missing",),
)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(
    st.lists(st.builds(lambda key, tick: replace(PROOF, key=key, first_tick=tick), keys, st.integers()) | st.just(LOST))
)
def test_proofs_go_both_ways_in_order(proofs: list[SegmentProof]) -> None:
    assert decode_proofs(encode_proofs(proofs).body) == tuple(proofs)


def test_one_line_a_segment() -> None:
    lines = gzip.decompress(encode_proofs([PROOF, LOST]).body).splitlines()

    assert len(lines) == 2
    assert json.loads(lines[0])["wall_clock"] == {"at": "2026-05-03T14:00:11.250Z", "source": "slice_name"}
    assert list(json.loads(lines[0])["samples"]) == ["audio", "video"]
    assert json.loads(lines[1])["findings"] == ["segment_missing"]


def test_equal_proofs_give_equal_bytes_with_no_time_in_them() -> None:
    twin = replace(PROOF, samples={"audio": 281, "video": 90})
    one, other = encode_proofs([PROOF]), encode_proofs([twin])

    assert one == other
    assert one.body[3:8] == b"\0\0\0\0\0"  # no file name, no time
    assert one.sha256 == hashlib.sha256(one.body).hexdigest()


def test_the_file_is_named_by_its_content() -> None:
    file = encode_proofs([PROOF])
    key = file.segments_key("agora", "5f0c", "mix")
    reference = file.reference(key)

    assert key.key == f"segments/agora/5f0c/mix/{file.sha256[:16]}.jsonl.gz"
    assert decode_key(reference.key) == key
    assert (reference.size_bytes, reference.sha256) == (len(file.body), file.sha256)


def test_unknown_fields_are_ignored() -> None:
    line = {**json.loads(gzip.decompress(encode_proofs([PROOF]).body)), "nal_units": 7}

    assert decode_proofs(gzip.compress(json.dumps(line).encode())) == (PROOF,)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        encode_proofs([PROOF]).body[:-9],
        encode_proofs([PROOF]).body[:20] + b"\xff\xff\xff" + encode_proofs([PROOF]).body[23:],
        gzip.compress(b"{}\n"),
        gzip.compress(b"\n\n"),
        gzip.compress(b"\xff\n"),
        gzip.compress(b'{"key": NaN}\n'),
    ],
    ids=["empty", "plain JSON", "cut", "damaged", "other JSON", "empty lines", "not UTF-8", "NaN"],
)
def test_what_is_no_proof_file_is_refused(body: bytes) -> None:
    with pytest.raises(DocumentError):
        decode_proofs(body)

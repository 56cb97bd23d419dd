"""A certificate says the same when it is read again, and a changed one is noticed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.certificate import Certificate, clips_from_json, clips_to_json, from_json, to_json
from catalog.errors import AlteredError, DocumentError
from catalog.export_request import ExportMode
from catalog.wire import digest_of
from tests.catalog.builders import absence, gap
from tests.catalog.certified import certificate, clip

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def document(value: Certificate) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(to_json(value))
    return loaded


@given(texts, texts, st.none() | texts, st.booleans())
def test_what_is_written_is_read(by: str, reason: str, user: str | None, has_gap: bool) -> None:
    one = clip(user=user, gaps=(gap(),) if has_gap else (), absences=(absence(),))
    value = certificate(one, asked=(replace(certificate().asked[0], by=by, reason=reason),))

    assert from_json(to_json(value)) == value
    assert value.has_gaps == has_gap


def test_the_manifest_of_an_archive_says_what_the_certificate_says() -> None:
    value = certificate(clip(), clip("b"), mode=ExportMode.SEPARATE)

    assert clips_from_json(clips_to_json(value.clips)) == value.clips
    with pytest.raises(DocumentError, match="is no archive of Aftertake"):
        clips_from_json(to_json(value))


@pytest.mark.parametrize(
    ("path", "other"),
    [
        (["asked", 0, "by"], "somebody else"),
        (["made_at"], "2027-01-01T00:00:00.000Z"),
        (["clips", 0, "gaps"], []),
        (["clips", 0, "file", "sha256"], "00" * 32),
        (["software", "aftertake"], "9"),
        (["digest"], "00" * 32),
    ],
)
def test_one_that_was_changed_is_noticed(path: list[str | int], other: object) -> None:
    changed = document(certificate(clip(gaps=(gap(),))))
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = other

    with pytest.raises(AlteredError, match="changed after it was written"):
        from_json(json.dumps(changed).encode())


def test_fields_of_a_later_minor_version_are_ignored_but_not_unnoticed() -> None:
    with pytest.raises(AlteredError):
        from_json(json.dumps({**document(certificate()), "more": 1}).encode())


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("aftertake.certificate/2", "reads up to aftertake.certificate/1: update it"),
        ("aftertake.manifest/1", "is no certificate of Aftertake"),
        (None, "is no certificate of Aftertake"),
    ],
)
def test_what_is_none_of_ours_says_so(schema: str | None, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        from_json(json.dumps({**document(certificate()), "schema": schema}).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"schema": NaN}'])
def test_what_is_no_document(body: bytes) -> None:
    with pytest.raises(DocumentError):
        from_json(body)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (certificate(clip(), clip()), "share a name"),
        (certificate(clip("manifest.json")), "share a name"),
        (replace(certificate(mode=ExportMode.FAST), file=clip("x").file), "another file"),
        (certificate(clip(zero_s=9.0, starts_at_s=8.0)), "before its zero"),
        (certificate(clip(vendor="\x1b")), "no recording that can be"),
    ],
)
def test_one_that_contradicts_itself_is_neither_written_nor_read(
    value: Certificate, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DocumentError, match=said):
        to_json(value)
    with monkeypatch.context() as patch:
        patch.setattr("catalog.certificate._require_sense", lambda _: None)
        body = to_json(value)
    with pytest.raises(DocumentError, match=said):
        from_json(body)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.9999Z"])
def test_times_beyond_the_calendar(time: str) -> None:
    document = {**json.loads(to_json(certificate())), "made_at": time}
    document["digest"] = digest_of(document, {"digest"})

    with pytest.raises(DocumentError, match="no calendar"):
        from_json(json.dumps(document).encode())


def test_values_that_nobody_could_read_are_not_written() -> None:
    broken = certificate(clip(file=replace(clip().file, sha256="x")))

    with pytest.raises(DocumentError):
        to_json(broken)

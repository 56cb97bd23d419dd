"""The published JSON Schemas say what the code does: nothing more, nothing less."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

import catalog.manifest
from catalog import certificate as certificates
from catalog.certificate import Certificate
from catalog.manifest import to_json
from catalog.model import Manifest, Verdict
from tests.catalog.builders import absence, gap, manifest, stream
from tests.catalog.certified import certificate, clip

ROOTS: dict[str, tuple[type, str]] = {
    "manifest": (Manifest, "content_digest"),
    "certificate": (Certificate, "digest"),
}
FOLDER = Path(catalog.manifest.__file__).parent
SCHEMAS = {kind: json.loads((FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8")) for kind in ROOTS}
VALIDATORS = {kind: Draft202012Validator(schema) for kind, schema in SCHEMAS.items()}
ALIASES = {"from_utc": "from", "to_utc": "to"}


def parts(hint: object) -> Iterator[object]:
    yield hint
    for part in get_args(hint):
        yield from parts(part)


def classes(root: type) -> dict[str, type]:
    """All dataclasses and enums that the manifest is made of, by name."""
    found: dict[str, type] = {}
    todo: list[object] = [root]
    while todo:
        part = todo.pop()
        if not isinstance(part, type) or part.__name__ in found:
            continue
        if is_dataclass(part):
            found[part.__name__] = part
            todo += [each for hint in get_type_hints(part).values() for each in parts(hint)]
        elif issubclass(part, StrEnum):
            found[part.__name__] = part
    return found


CLASSES = {kind: classes(root) for kind, (root, _) in ROOTS.items()}
PLACES = [(kind, name) for kind, found in CLASSES.items() for name in sorted(found)]
DATACLASSES = [(kind, name) for kind, name in PLACES if is_dataclass(CLASSES[kind][name])]
ENUMS = [place for place in PLACES if place not in DATACLASSES]


@pytest.mark.parametrize("kind", ROOTS)
def test_the_schema_is_a_schema(kind: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[kind])
    assert set(SCHEMAS[kind]["$defs"]) == (set(CLASSES[kind]) - {ROOTS[kind][0].__name__}) | {
        *("UtcTime", "Crc64", "Sha256"),
    }


@pytest.mark.parametrize(("kind", "name"), DATACLASSES)
def test_every_field_is_described_and_required(kind: str, name: str) -> None:
    root, digest = ROOTS[kind]
    is_root = CLASSES[kind][name] is root
    described = SCHEMAS[kind] if is_root else SCHEMAS[kind]["$defs"][name]
    extra = {"schema", digest} if is_root else set()
    expected = {ALIASES.get(each.name, each.name) for each in fields(CLASSES[kind][name])} | extra

    assert set(described["properties"]) == set(described["required"]) == expected


@pytest.mark.parametrize(("kind", "name"), ENUMS)
def test_every_word_of_an_enum_is_described(kind: str, name: str) -> None:
    words = [member.value for member in CLASSES[kind][name]]  # type: ignore[attr-defined]
    assert SCHEMAS[kind]["$defs"][name]["enum"] == words


def test_what_both_documents_hold_is_described_alike() -> None:
    one, other = (SCHEMAS[kind]["$defs"] for kind in ROOTS)

    assert {name: one[name] for name in one if name in other} == {name: other[name] for name in other if name in one}


@pytest.mark.parametrize(
    "value",
    [
        manifest(),
        manifest(stream(gaps=(gap(), gap(from_utc=None, to_utc=None, segment=None))), verdict=Verdict.GAPS),
        manifest(stream(outputs=(), started_at=None), verdict=Verdict.MISSING, room=None, ended_at=None),
    ],
)
def test_what_we_write_is_valid(value: Manifest) -> None:
    VALIDATORS["manifest"].validate(json.loads(to_json(value)))


@pytest.mark.parametrize(
    "value",
    [
        certificate(),
        certificate(clip(gaps=(gap(),), absences=(absence(),)), clip("b", user=None, starts_at=None, manifest=None)),
    ],
)
def test_certificates_that_we_write_are_valid(value: Certificate) -> None:
    VALIDATORS["certificate"].validate(json.loads(certificates.to_json(value)))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (["schema"], "aftertake.manifest/2"),
        (["verdict"], "fine"),
        (["created_at"], "2026-05-03T15:02:03Z"),
        (["created_at"], "2026-05-03T15:02:03.000+08:00"),
        (["revision"], 0),
        (["content_digest"], "AB" * 32),
        (["streams", 0, "duration_s"], -1),
        (["streams", 0, "absences", 0, "from"], "yesterday"),
        (["streams", 0, "outputs", 0, "crc64xz"], "0x1"),
        (["streams", 0, "segments", "proofs", "length"], "one"),
        (["findings", 0, "severity"], "fatal"),
        (["streams", 0, "rotations", 0, "degrees"], 45),
    ],
)
def test_what_we_would_not_write_is_invalid(path: list[str | int], wrong: object) -> None:
    document = json.loads(to_json(manifest()))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong

    assert not VALIDATORS["manifest"].is_valid(document)

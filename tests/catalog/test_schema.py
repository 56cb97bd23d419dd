"""The published JSON Schema says what the code does: nothing more, nothing less."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

import catalog.manifest
from catalog.manifest import to_json
from catalog.model import Manifest, Verdict
from tests.catalog.builders import gap, manifest, stream

SCHEMA = json.loads(Path(catalog.manifest.__file__).with_name("manifest.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
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


CLASSES = classes(Manifest)
DATACLASSES = {name: each for name, each in CLASSES.items() if is_dataclass(each)}
ENUMS = {name: each for name, each in CLASSES.items() if issubclass(each, StrEnum)}


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]) == (set(CLASSES) - {"Manifest"}) | {"UtcTime", "Crc64", "Sha256"}


@pytest.mark.parametrize("name", sorted(DATACLASSES))
def test_every_field_is_described_and_required(name: str) -> None:
    described = SCHEMA if name == "Manifest" else SCHEMA["$defs"][name]
    extra = {"schema", "content_digest"} if name == "Manifest" else set()
    expected = {ALIASES.get(each.name, each.name) for each in fields(DATACLASSES[name])} | extra

    assert set(described["properties"]) == set(described["required"]) == expected


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_every_word_of_an_enum_is_described(name: str) -> None:
    assert SCHEMA["$defs"][name]["enum"] == [member.value for member in ENUMS[name]]


@pytest.mark.parametrize(
    "value",
    [
        manifest(),
        manifest(stream(gaps=(gap(), gap(from_utc=None, to_utc=None, segment=None))), verdict=Verdict.GAPS),
        manifest(stream(outputs=(), started_at=None), verdict=Verdict.MISSING, room=None, ended_at=None),
    ],
)
def test_what_we_write_is_valid(value: Manifest) -> None:
    VALIDATOR.validate(json.loads(to_json(value)))


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

    assert not VALIDATOR.is_valid(document)

"""Every damage in every vendor's layout, checked from the bucket on: the finding names the right object."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from catalog.model import Manifest, Verdict
from flows.process import Inline, check, run_inline
from flows.steps.finding import find_recordings
from flows.steps.tasks import Task
from media.findings import Severity
from media.holes import cause
from storage.keys import ObjectKey
from storage.memory import MemoryStore
from tests.lab import CASES, DAMAGES, MIXED, Laid, Position, Slice, Stored, agora_individual
from tests.media.recordings import recording

NOW = datetime(2026, 3, 5, tzinfo=UTC)
HARMLESS = frozenset({"out_of_order"})

Lay = Callable[[Stored | None], Laid]


def sound() -> list[Slice]:
    return list(recording(11.5, video=False))


def pictures() -> list[Slice]:
    return list(recording(audio=False))


def mixed(vendor: str) -> tuple[list[Slice], Lay]:
    slices = list(recording())
    return slices, lambda stored: MIXED[vendor](slices, stored=stored)


def individual_sound() -> tuple[list[Slice], Lay]:
    """The damage is done to the sound of one user; another user is there too."""
    other = agora_individual(audio=sound(), video=pictures(), uid="77")
    return sound(), lambda stored: agora_individual(audio=sound(), video=pictures(), stored_audio=stored) | other


def individual_pictures() -> tuple[list[Slice], Lay]:
    return pictures(), lambda stored: agora_individual(audio=sound(), video=pictures(), stored_video=stored)


LAYOUTS: dict[str, Callable[[], tuple[list[Slice], Lay]]] = {
    "agora mixed": lambda: mixed("agora"),
    "agora individual, sound": individual_sound,
    "agora individual, pictures": individual_pictures,
    "zego": lambda: mixed("zego"),
    "jocloud": lambda: mixed("jocloud"),
    "plain": lambda: mixed("plain"),
}


def checked(laid: Laid) -> Manifest:
    store = MemoryStore("source")
    for name, data in laid.objects.items():
        store.put(ObjectKey(name), data)
    ((objects, metas),) = find_recordings(store)
    task = Task(source=store, objects=objects, metas=metas, now=NOW)
    return run_inline(check(Inline(), task)).manifest


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_intact_recording_is_complete(layout: str) -> None:
    _, lay = LAYOUTS[layout]()
    manifest = checked(lay(None))
    assert manifest.findings == ()
    assert manifest.verdict is Verdict.COMPLETE


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("name", "position"), CASES)
def test_a_damage_is_named_with_its_object_and_cause(name: str, position: Position, layout: str) -> None:
    slices, lay = LAYOUTS[layout]()
    damage = DAMAGES[name]
    damaged = damage.apply(slices, position)
    laid = lay(damaged.stored)
    keys = damaged_keys(laid, lay(None), damaged.at, slices)
    manifest = checked(laid)

    code = f"segment_{damage.expected}"
    assert {f.where for f in manifest.findings if f.code == code} & keys
    assert {f.where for f in manifest.findings if f.severity is Severity.ERROR} <= keys
    gaps = [gap for stream in manifest.streams for gap in stream.gaps]
    if damage.expected in HARMLESS:
        assert manifest.verdict is Verdict.COMPLETE
        assert gaps == []
    else:
        assert manifest.verdict is Verdict.GAPS
        assert {gap.segment for gap in gaps} <= keys
        assert {gap.cause.value for gap in gaps} == {cause(code)}


def damaged_keys(laid: Laid, sound_one: Laid, at: frozenset[int], slices: list[Slice]) -> set[str]:
    """The keys whose objects are not what they should be; a guard that the layout damaged what the case says."""
    keys = {name for name, data in sound_one.objects.items() if laid.objects.get(name) != data}
    assert keys <= set(laid.segments)
    assert len(keys) == len(at) <= len(slices)
    return keys

"""What is left after somebody was killed, and the rest have done their work: nothing but what should be."""

from collections.abc import Iterator
from pathlib import Path

from catalog.model import State, Verdict
from tests.flows.folders import contents, manifests, slices, unfinished
from tests.flows.site import Site


def media(folder: Path) -> dict[str, bytes]:
    """Outputs and proofs, by key."""
    return {key: body for key, body in contents(folder).items() if key.startswith(("media/", "segments/"))}


def undisturbed(root: Path, *numbers: int) -> dict[str, bytes]:
    """The media and proofs of recordings that nobody is killed over."""
    site = Site(root)
    for number in numbers:
        site.lay(number, pieces=slices(2))
        site.submit(number)
    site.settle()
    return media(site.output)


def beside(root: Path, source: Path) -> Site:
    """A site with the same recordings: the very same files, because keys of outputs follow from their etags."""
    root.mkdir(parents=True)
    (root / "in").symlink_to(source)
    return Site(root)


def wrong_after(site: Site, *numbers: int, expected: dict[str, bytes], kills: int = 1) -> list[str]:
    """Let everybody do their work; then say what is not as if nobody had been killed."""
    site.settle()
    return list(_wrong(site, *numbers, expected=expected, kills=kills))


def _wrong(site: Site, *numbers: int, expected: dict[str, bytes], kills: int) -> Iterator[str]:
    left = unfinished(site.output)
    if len(left) > kills:
        yield f"{len(left)} uploads were left by {kills} kills"
    site.days_pass()
    site.overseer().sweep()
    yield from (f"an upload of {key or 'nobody knows what'} was not swept" for key in unfinished(site.output))
    yield from (f"the lease {name} is held" for name in site.held_leases() if not name.startswith("loop:"))
    if media(site.output) != expected:
        yield "outputs or proofs are other ones"
    if len(manifests(site.output)) != len(numbers):
        yield f"{len(manifests(site.output))} manifests of {len(numbers)} recordings"
    for number in numbers:
        recording = site.recording(number)
        if (recording.state, recording.verdict, recording.revision) != (State.SETTLED, Verdict.COMPLETE, 1):
            yield f"recording {number} is {recording.state}, {recording.verdict}, revision {recording.revision}"
        elif site.manifest(number).revision != 1:
            yield f"readers see another revision of recording {number}"

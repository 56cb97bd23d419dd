"""`aftertake show`: the newest manifests of a task."""

from collections.abc import Iterator

from catalog.components import Component, encode_component
from catalog.errors import LayoutError
from catalog.layout import ManifestKey, decode_key
from flows.steps.finding import NothingFoundError
from flows.steps.publishing import Published, read_manifest
from storage.base import ObjectMeta, ObjectStore
from storage.errors import NotFound
from storage.listing import listed


def show(store: ObjectStore, task: str) -> list[Published]:
    """The newest revision of every recording with this task id, or `vendor:task_id`."""
    metas = _manifests(store)
    found = []
    for recording in dict.fromkeys((k.vendor, k.task_id) for k in metas):
        if _is_meant(task, *recording):
            of_it = (key for key in metas if (key.vendor, key.task_id) == recording)
            newest = max(of_it, key=lambda key: (key.revision, key.digest12))
            found.append(Published(manifest=read_manifest(store, metas[newest]), key=newest.key))
    if not found:
        message = (
            f"no manifest of {task} in {store.url}. Check the task id, and that --output is where it was published."
        )
        raise NothingFoundError(message)
    return found


def _is_meant(task: str, vendor: str, task_id: Component) -> bool:
    """Keys abbreviate long ids, so ids are compared as keys spell them."""
    return encode_component(task_id) in {
        encode_component(task),
        encode_component(task.removeprefix(f"{vendor}:") or task),
    }


def _manifests(store: ObjectStore) -> dict[ManifestKey, ObjectMeta]:
    return dict(_decoded(store))


def _decoded(store: ObjectStore) -> Iterator[tuple[ManifestKey, ObjectMeta]]:
    try:
        for meta in listed(store, "manifests/"):
            try:
                key = decode_key(meta.key)
            except LayoutError:
                continue
            if isinstance(key, ManifestKey):
                yield key, meta
    except NotFound:
        return

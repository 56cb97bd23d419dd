"""In which configured source a recording lies."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from catalog.index import Catalog
from catalog.model import State
from catalog.records import Recording, id_text
from cli.actor import own_actor
from flows.settings import Settings, SettingsError, Source
from storage.credentials import CLOUDS
from storage.opening import open_store
from storage.urls import StoreUrl, place_of, split_url


def source_for(settings: Settings, vendor: str, name: str | None = None) -> Source:
    """The source of that name, else the only one of the vendor. Raises `SettingsError` if that leaves a choice."""
    if name is not None:
        return settings.source(name)
    fitting = settings.sources_for(vendor)
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        message = (
            f"no source is configured for {vendor}. Write [[sources]] with its name and store into aftertake.toml."
        )
        raise SettingsError(message)
    names = ", ".join(source.name for source in fitting)
    message = f"recordings of {vendor} may lie in several sources: {names}"
    raise SettingsError(f"{message}. Say which: `aftertake submit VENDOR:TASK_ID --source NAME`.")


def source_of_folder(settings: Settings, folder: str, name: str | None = None) -> tuple[Source, str]:
    """The source that a folder lies in, and what the keys of its objects there begin with.

    With a name, it is that source or none. Raises `SettingsError` that says what to configure.
    """
    asked = settings if name is None else replace(settings, sources=(settings.source(name),))
    urls = list(_urls(folder))
    for url in urls:
        if source := asked.source_of_url(url):
            return source, _prefix(source, url)
    where = f"lies in no configured source{'' if name is None else f' of the name {name}'}"
    entry = f'[[sources]]\nname = "a-name"\nstore = {json.dumps(urls[0])}'
    raise SettingsError(f"{folder} {where}. Write this, or a folder above it, into aftertake.toml:\n{entry}")


def _urls(folder: str) -> Iterator[str]:
    """The URLs that a folder may be configured as. Of a cloud nothing is opened."""
    if "://" in folder:
        yield folder if split_url(folder).scheme in CLOUDS else open_store(folder).url
        return
    path = Path(folder).absolute()
    if ".." not in path.parts:
        yield path.as_uri()
    yield path.resolve().as_uri()


def _prefix(source: Source, url: str) -> str:
    """Keys of buckets keep their full names, those of folders are counted from the source."""
    if split_url(url).scheme in CLOUDS:
        return StoreUrl.parse(url).prefix
    below = unquote(place_of(url)[len(place_of(source.store)) :], errors="surrogateescape").strip("/")
    return f"{below}/" if below else ""


def with_source(catalog: Catalog, settings: Settings, recording: Recording) -> Recording:
    """The recording, its source told to the catalog where that was not known: manifests do not say its name."""
    if recording.source is not None:
        return recording
    name = source_for(settings, recording.id.vendor).name
    return catalog.register(recording.id, state=State.HINTED, source=name, cause="source found", actor=own_actor())


def the_one(found: list[Recording]) -> Recording:
    """The recording, where one alone is meant. Raises `SettingsError` with the names of all."""
    if len(found) == 1:
        return found[0]
    names = ", ".join(id_text(recording.id) for recording in found)
    raise SettingsError(f"several recordings have this task id: {names}. Write one of these.")

"""Listing that goes on after a bad moment."""

from collections.abc import Iterator

from storage.base import ObjectMeta, ObjectStore
from storage.errors import Transient
from storage.retry import Retry, Tries


def listed(store: ObjectStore, prefix: str = "", *, retry: Retry | None = None) -> Iterator[ObjectMeta]:
    """The objects under a prefix, as `ObjectStore.list` gives them; a listing that breaks goes on after its last key.

    `retry` bounds the failures in a row. Errors are those of `ObjectStore.list`.
    """
    tries = Tries(retry or Retry())
    after = ""
    while True:
        try:
            for meta in store.list(prefix, after=after):
                after = meta.key
                yield meta
                tries.progressed()
        except Transient as error:
            tries.failed(error)
        else:
            return

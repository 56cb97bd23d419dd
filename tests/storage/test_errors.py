import pickle

import pytest

from storage import errors
from storage.checksums import Proof
from storage.errors import Corrupt, Denied, StorageError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StorageError)]


def example(kind: type[StorageError]) -> StorageError:
    return kind("open", "a/b", "it rained", *([Proof.MD5] if kind is Corrupt else []))


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_what_where_and_what_to_do(kind: type[StorageError]) -> None:
    assert str(example(kind)) == f"open 'a/b': it rained. {kind.advice}"
    assert kind.advice.endswith(".")
    assert kind is StorageError or kind.advice != StorageError.advice


@pytest.mark.parametrize("kind", KINDS)
def test_errors_travel_between_processes(kind: type[StorageError]) -> None:
    error = pickle.loads(pickle.dumps(example(kind)))  # noqa: S301  our own
    assert (type(error), str(error), vars(error)) == (kind, str(example(kind)), vars(example(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_at_the_top_shows_every_error(kind: type[StorageError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


def test_the_cause_is_kept() -> None:
    lower, error = OSError(13, "denied"), example(Denied)
    assert error.cause is None
    error.__cause__ = lower
    assert error.cause is lower

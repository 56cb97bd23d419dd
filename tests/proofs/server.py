"""The sandbox's clouds in a process of their own, so that their work does not hold up what is proved."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from deployments.sandbox.clouds import BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from tests.clouds import running_clouds

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class ElsewhereError(Exception):
    """What a function raised in the other process, as text."""


class RemoteClouds:
    """Use it in a `with`. `do` runs a function of a module there, with the clouds as its first argument."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.endpoint = ""

    def do(
        self,
        function: Callable[Concatenate[Clouds, _Arguments], _Result],
        *args: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Result:
        self._pipe.send((function, args, named))
        failed, result = self._pipe.recv()
        if failed:
            raise ElsewhereError(result)
        answer: _Result = result
        return answer

    def create_bucket(self, cloud: CloudName, name: str, rules: BucketRules | None = None) -> None:
        self.do(Clouds.create_bucket, cloud, name, rules)

    def __enter__(self) -> Self:
        self._process.start()
        self.endpoint = self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send(None)
        self._process.join(10)
        self._pipe.close()


def _serve(pipe: Connection) -> None:
    with running_clouds() as clouds:
        pipe.send(clouds.endpoint)
        while (asked := pipe.recv()) is not None:
            function, args, named = asked
            try:
                pipe.send((False, function(clouds, *args, **named)))
            except Exception as error:  # noqa: BLE001  it is raised in the other process
                pipe.send((True, f"{type(error).__name__}: {error}"))

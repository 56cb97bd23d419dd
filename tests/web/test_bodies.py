"""Bodies that are given up: what they held is given back, whatever ended them, and at whatever moment."""

import asyncio
import time
from collections.abc import MutableMapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest

from web.bodies import Bodies, ClientGoneError, Limits, Receive, RefusedBodyError

PIECE = {"type": "http.request", "body": b"123", "more_body": True}
END = {"type": "http.request", "body": b"4"}
GONE = {"type": "http.disconnect"}


def coming(*messages: MutableMapping[str, Any]) -> Receive:
    """These, and then nothing."""
    waiting = iter(messages)

    async def receive() -> MutableMapping[str, Any]:
        for message in waiting:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def test_a_whole_body_is_held_until_it_is_released() -> None:
    bodies = Bodies()
    body = asyncio.run(bodies.read([], coming(PIECE, END)))
    assert (body, bodies.held_bytes) == (b"1234", 4)
    bodies.release(body)
    assert bodies.held_bytes == 0


@pytest.mark.parametrize(
    ("limits", "messages", "told"),
    [
        (Limits(patience=timedelta(seconds=0.02)), [PIECE], HTTPStatus.REQUEST_TIMEOUT),
        (Limits(body_bytes=5), [PIECE, PIECE], HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (Limits(held_bytes=5), [PIECE, PIECE], HTTPStatus.SERVICE_UNAVAILABLE),
    ],
)
def test_a_refused_body_is_held_no_longer(limits: Limits, messages: list[dict[str, Any]], told: HTTPStatus) -> None:
    bodies = Bodies(limits)
    with pytest.raises(RefusedBodyError) as refused:
        asyncio.run(bodies.read([], coming(*messages)))
    assert (refused.value.status, bodies.held_bytes) == (told, 0)


def test_the_body_of_who_is_gone_is_held_no_longer() -> None:
    bodies = Bodies()
    with pytest.raises(ClientGoneError):
        asyncio.run(bodies.read([], coming(PIECE, GONE)))
    assert bodies.held_bytes == 0


def test_the_body_of_a_cancelled_request_is_held_no_longer() -> None:
    async def story() -> int:
        bodies = Bodies()
        reading = asyncio.ensure_future(bodies.read([], coming(PIECE)))
        await asyncio.sleep(0.01)
        held = bodies.held_bytes
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
        assert bodies.held_bytes == 0
        return held

    assert asyncio.run(story()) == 3


def test_the_oldest_makes_room_for_a_new_one() -> None:
    async def story() -> list[bool]:
        bodies = Bodies(Limits(unfinished=2))
        reading = [asyncio.ensure_future(bodies.read([], coming(PIECE))) for _ in range(4)]
        await asyncio.sleep(0.05)
        done = [one.done() for one in reading]
        for one in reading:
            one.cancel()
        await asyncio.wait(reading)
        return done

    assert asyncio.run(story()) == [True, True, False, False]


def test_one_may_run_out_of_time_in_the_moment_when_it_is_to_make_room() -> None:
    """Its time is over, and it has not been told yet, when the next one comes."""

    async def story() -> tuple[list[bool], list[object], HTTPStatus]:
        loop = asyncio.get_running_loop()
        bodies = Bodies(Limits(unfinished=1, patience=timedelta(seconds=0.05)))
        reading = asyncio.ensure_future(bodies.read([], coming(PIECE)))
        await asyncio.sleep(0.01)
        (patience,) = bodies._unfinished
        expired, failures = list[bool](), list[object]()

        def another_comes() -> None:
            expired.append(patience.expired())
            bodies._begin(asyncio.timeout(1))

        loop.set_exception_handler(lambda _loop, context: failures.append(context))
        loop.call_at((patience.when() or 0) + 0.001, another_comes)
        loop.call_soon(time.sleep, 0.1)  # so that both are due in one turn of the loop
        await asyncio.wait([reading])
        error = reading.exception()
        assert isinstance(error, RefusedBodyError)
        return expired, failures, error.status

    assert asyncio.run(story()) == ([True], [], HTTPStatus.REQUEST_TIMEOUT)

"""Deliveries that are stored together: durable before anybody is told, and nobody pays for another one's fate."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

import pytest

from catalog.errors import CatalogUnavailableError
from catalog.events import Delivery, Signature
from tests.web.receiving import NOW, MemoryInbox
from web.keeping import GroupCommit, QueueFullError


def delivery(number: int) -> Delivery:
    return Delivery(
        token=str(number),
        vendor="bodied",
        received_at=NOW,
        signature=Signature.GOOD,
        sources=(),
        body=b"%d" % number,
        headers={},
    )


class OneAtATime(MemoryInbox):
    """Notes when two threads put at once, and can wait in the middle of a put."""

    inside = 0
    overlapped = False

    def put(self, deliveries: Sequence[Delivery]) -> None:
        self.inside += 1
        self.overlapped |= self.inside > 1
        super().put(deliveries)
        self.inside -= 1


async def soon(holds: Callable[[], object]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not happen in time")


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await story()

    asyncio.run(bounded())


def test_who_keeps_is_told_only_after_the_inbox_has_returned() -> None:
    async def story() -> None:
        inbox = MemoryInbox()
        inbox.gate.clear()
        keeping = asyncio.ensure_future(GroupCommit(inbox).keep(delivery(1)))
        await asyncio.sleep(0.05)
        assert not keeping.done()
        inbox.gate.set()
        await keeping
        assert inbox.bodies == [b"1"]

    run(story)


def test_those_that_wait_go_together_in_order_and_one_batch_at_a_time() -> None:
    async def story() -> None:
        inbox = OneAtATime()
        inbox.gate.clear()
        group = GroupCommit(inbox, together=500)
        keeping = [asyncio.ensure_future(group.keep(delivery(number))) for number in range(1202)]
        await soon(lambda: inbox.inside)
        inbox.gate.set()
        await asyncio.gather(*keeping)
        # The first one to come does not wait for others.
        assert [len(batch) for batch in inbox.batches] in ([1, 500, 500, 201], [500, 500, 202])
        assert inbox.bodies == [b"%d" % number for number in range(1202)]
        assert not inbox.overlapped

    run(story)


def test_a_failed_batch_fails_its_members_and_no_others() -> None:
    async def story() -> None:
        inbox = OneAtATime()
        inbox.gate.clear()
        group = GroupCommit(inbox)
        first = asyncio.ensure_future(group.keep(delivery(1)))
        await soon(lambda: inbox.inside)
        inbox.away = True
        second = asyncio.ensure_future(group.keep(delivery(2)))
        inbox.gate.set()
        told = await asyncio.gather(first, second, return_exceptions=True)
        inbox.away = False
        await group.keep(delivery(3))

        assert [type(error) for error in told] == [CatalogUnavailableError] * 2
        assert inbox.bodies == [b"3"]

    run(story)


def test_a_mistake_in_the_inbox_is_told_to_those_that_wait_too() -> None:
    class Broken:
        def put(self, deliveries: Sequence[Delivery]) -> None:
            raise KeyError(len(deliveries))

    async def story() -> None:
        group = GroupCommit(Broken())
        for number in range(2):
            with pytest.raises(KeyError):
                await group.keep(delivery(number))

    run(story)


def test_who_gives_up_harms_no_other() -> None:
    async def story() -> None:
        inbox = OneAtATime()
        inbox.gate.clear()
        group = GroupCommit(inbox)
        keeping = [asyncio.ensure_future(group.keep(delivery(number))) for number in range(5)]
        await soon(lambda: inbox.inside)
        keeping[0].cancel()
        keeping[3].cancel()
        inbox.gate.set()
        told = await asyncio.gather(*keeping, return_exceptions=True)

        assert [type(one) for one in told] == [
            asyncio.CancelledError,
            *[type(None)] * 2,
            asyncio.CancelledError,
            type(None),
        ]
        assert sorted(inbox.bodies) == [b"0", b"1", b"2", b"3", b"4"]
        await group.keep(delivery(5))

    run(story)


def test_only_so_many_may_wait() -> None:
    async def story() -> None:
        inbox = OneAtATime()
        inbox.gate.clear()
        group = GroupCommit(inbox, waiting=3)
        first = asyncio.ensure_future(group.keep(delivery(0)))
        await soon(lambda: inbox.inside)
        keeping = [asyncio.ensure_future(group.keep(delivery(number))) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        assert not group.offer(delivery(4))
        with pytest.raises(QueueFullError):
            await group.keep(delivery(4))
        inbox.gate.set()
        await asyncio.gather(first, *keeping)
        assert inbox.bodies == [b"0", b"1", b"2", b"3"]

    run(story)


def test_what_is_offered_is_stored_and_its_failure_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        inbox = MemoryInbox()
        group = GroupCommit(inbox)
        assert group.offer(delivery(1))
        await soon(lambda: inbox.bodies)
        inbox.away = True
        assert group.offer(delivery(2))
        await soon(lambda: "1 deliveries could not be stored" in caplog.text)

    run(story)


def test_the_loop_goes_on_while_the_inbox_writes() -> None:
    async def story() -> None:
        inbox = MemoryInbox()
        inbox.gate.clear()
        keeping = asyncio.ensure_future(GroupCommit(inbox).keep(delivery(1)))
        beats = 0
        for _ in range(20):
            await asyncio.sleep(0.001)
            beats += 1
        assert (beats, keeping.done(), threading.active_count() > 1) == (20, False, True)
        inbox.gate.set()
        await keeping

    run(story)

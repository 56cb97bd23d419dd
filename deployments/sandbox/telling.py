"""What vendors post of three recordings, as it happens: doubled, out of order; and what a stranger posts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from secrets import token_hex

from deployments.sandbox.recordings import Recording
from deployments.sandbox.webhooks import Posted, sample


def webhooks_of(
    recordings: Sequence[Recording], secrets: Mapping[str, str], now: datetime
) -> Iterator[tuple[Posted, str]]:
    """Each message, and a word on it, in the order of their arrival."""
    by_vendor = {recording.vendor: recording for recording in recordings}

    def told(vendor: str, event: str, sequence: int) -> Posted:
        about = by_vendor[vendor]
        return sample(
            vendor,
            event,
            task_id=about.task_id,
            room=about.room,
            secret=secrets[vendor],
            sequence=sequence,
            sent_at=now,
        )

    yield told("agora", "started", 0), "started"
    yield told("zego", "uploaded", 2), "uploaded, before word of the stop"
    yield told("zego", "stopped", 1), "stopped, out of order"
    uploaded = told("agora", "uploaded", 1)
    yield uploaded, "uploaded"
    yield uploaded, "uploaded, the same once more"
    yield told("jocloud", "m3u8_info", 0), "a playlist is complete"
    yield _forged("agora", now), "uploaded, forged"


def _forged(vendor: str, now: datetime) -> Posted:
    """By somebody who knows the address and not the secret."""
    return sample(vendor, "uploaded", task_id="0" * 32, room="stranger", secret=token_hex(16), sent_at=now)

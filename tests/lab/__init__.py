"""The media laboratory: clips that say which second they are, damages, layouts, and a judge that measures them."""

from deployments.sandbox.cutting import Slice, cut
from deployments.sandbox.layouts import (
    MIXED,
    Laid,
    Stored,
    agora_individual,
    agora_mixed,
    jocloud_mixed,
    plain,
    zego_mixed,
)
from deployments.sandbox.packets import (
    Programme,
    drop_from_pmt,
    drop_pid,
    drop_time,
    first_pts,
    programme,
    restamp,
)
from tests.lab.clips import flash_and_beep
from tests.lab.damages import CASES, DAMAGES, Damage, Damaged, Position
from tests.lab.judging import Mark, SyncReport, judge_mp4, judge_ts, sightings

__all__ = [
    "CASES",
    "DAMAGES",
    "MIXED",
    "Damage",
    "Damaged",
    "Laid",
    "Mark",
    "Position",
    "Programme",
    "Slice",
    "Stored",
    "SyncReport",
    "agora_individual",
    "agora_mixed",
    "cut",
    "drop_from_pmt",
    "drop_pid",
    "drop_time",
    "first_pts",
    "flash_and_beep",
    "jocloud_mixed",
    "judge_mp4",
    "judge_ts",
    "plain",
    "programme",
    "restamp",
    "sightings",
    "zego_mixed",
]

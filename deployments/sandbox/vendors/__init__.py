"""Agora, ZEGOCLOUD and Jocloud on loopback, for tests, proofs and the demo: they really record. See README.md.

Written from the vendors' documents; nothing of `vendors` is used, so that a mistake there is not repeated.

Scripts (`SCRIPTS`) and the vendors they mean something for:

| script | Agora | ZEGO | Jocloud |
|---|---|---|---|
| late slice, late uploads | yes | yes | yes |
| backup store | 32, then `_<tick>_<n>` playlists | file status 4, `file_url` | no |
| failover hole, overlap | `bak0_`, another uid, 404 meanwhile | another file of the task | no: the same names go on |
| partial playlist, playlist missing, no ENDLIST, orphans | yes | yes | yes |
| wrong bucket | yes | yes | yes |
| several files | one file, marked where it starts again | single-stream without FillBlank | one file, a hole in it |
| nobody published | 206/435 | no RecordFiles, empty file_info | nothing |
| lost webhooks, doubled webhooks | yes | yes | yes |
| damaged slice | yes | yes | yes |
| rejoin, another codec | individual | single-stream: a file of each stay | source: one file, a hole in it |
| late picture, camera off, turned phone, three people, individual failover | individual | no | no |
| screen share | no | single-stream: `123_main` and `123_screen`, and a whiteboard with HasWhiteboard | no |

The scripts of the last three lines have a cast: they say themselves who publishes, 101 and 102 (and 103), or 123.
"""

from deployments.sandbox.vendors.accounts import Limits, VendorAccount
from deployments.sandbox.vendors.cast import Cast, Person, Shot
from deployments.sandbox.vendors.scripts import ALL_WELL, SCRIPTS, Astray, Drop, Failover, Script
from deployments.sandbox.vendors.server import Vendors

__all__ = [
    "ALL_WELL",
    "SCRIPTS",
    "Astray",
    "Cast",
    "Drop",
    "Failover",
    "Limits",
    "Person",
    "Script",
    "Shot",
    "VendorAccount",
    "Vendors",
]

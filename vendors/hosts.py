"""Where the vendors' REST APIs are, as base URLs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DEFAULT_HOSTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "agora": ("https://api.sd-rtn.com", "https://api.agora.io"),
        "zego": ("https://cloudrecord-api.zego.im",),
        "jocloud": ("https://api.jocloud.com",),
    }
)
"""The preferred one first. ZEGOCLOUD's is the one for all regions, Jocloud's the one for mainland China."""

KNOWN_HOSTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "agora": DEFAULT_HOSTS["agora"],
        "zego": (
            *DEFAULT_HOSTS["zego"],
            *(f"https://cloudrecord-api-{region}.zego.im" for region in ("sha", "hkg", "fra", "lax", "bom", "sgp")),
        ),
        "jocloud": (*DEFAULT_HOSTS["jocloud"], "https://api-oversea.jocloud.com"),
    }
)
"""All that the vendors name."""

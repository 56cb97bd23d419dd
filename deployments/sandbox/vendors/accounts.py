"""The vendors' customers: one project each, and what proves that a request is theirs."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorAccount:
    """One project. Agora: customer id and secret. ZEGO: no id, the ServerSecret. Jocloud: RESTful id and secret.

    `app_secret` is Jocloud's for its other scheme, by signature.
    """

    app: str
    key_id: str
    secret: str = field(repr=False)
    app_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many requests in a second a vendor takes, as documented."""

    agora: int = 10
    zego_start_stop: int = 50
    zego: int = 10
    jocloud_apply: int = 10

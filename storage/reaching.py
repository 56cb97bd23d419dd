"""Whether a store's host can be reached at all, step by step, so that a failure names the step.

SDKs wrap all of this into one sentence after many tries.
"""

import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from storage.connection import Connection

_PORTS = {"https": 443, "http": 80}


class Step(StrEnum):
    """What comes before the first request."""

    NAME = "name"
    CONNECT = "connect"
    TLS = "tls"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far it went: `failed` is the step that did not work, None if all did; `detail` is the system's word for it.

    `host` is the one that was connected to, the proxy's if there is one.
    """

    host: str
    failed: Step | None = None
    detail: str = ""
    through_proxy: bool = False


def reach(origin: str, connection: Connection) -> Reach:
    """Look up the name, connect, and shake hands where TLS begins at that host; each within `connect_s` seconds."""
    proxy = connection.proxy
    parts = urlsplit(proxy or origin)
    host, step = parts.hostname or "", Step.NAME
    try:
        port = parts.port or _PORTS.get(parts.scheme, 80)
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        step = Step.CONNECT
        with socket.create_connection((host, port), timeout=connection.connect_s) as plain:
            step = Step.TLS
            if parts.scheme == "https" and not proxy:
                with _trusted(connection).wrap_socket(plain, server_hostname=host):
                    pass
    except (OSError, UnicodeError) as error:
        if isinstance(error, ssl.SSLCertVerificationError):
            step = Step.CERTIFICATE
        detail = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
        return Reach(host=host, failed=step, detail=detail or type(error).__name__, through_proxy=bool(proxy))
    return Reach(host=host, through_proxy=bool(proxy))


def _trusted(connection: Connection) -> ssl.SSLContext:
    """What the SDKs trust, which is not what the system trusts."""
    return ssl.create_default_context(cafile=connection.ca_bundle or DEFAULT_CA_BUNDLE_PATH)

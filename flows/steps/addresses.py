"""Which addresses an endpoint may have, and connections that go to no other: the answer to SSRF.

A name is resolved once, and the connection goes to the very address that was judged, so that a name that changes in
between (DNS rebinding) gains nothing. TLS asks for the name, as always. Standard Webhooks 1.0, "Server side request
forgery".
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from ssl import SSLContext
from typing import Final

import httpcore

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host, at least one; raises OSError."""
_Address = IPv4Address | IPv6Address

_UNICAST: Final = IPv6Network("2000::/3")
"""All that IANA gives out; what Python calls global besides is site-local, unassigned or a way of writing IPv4."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
"""Services that tell machines their keys: Alibaba Cloud, Azure, Oracle, AWS. Others are link-local."""


class ForbiddenAddressError(httpcore.ConnectError):
    """The endpoint's host has an address that it must not have."""


def resolve(host: str, port: int) -> Sequence[str]:
    """As the machine resolves names; odd spellings of addresses, such as `127.1`, come out as what they mean."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_allowed(text: str, *, private: bool) -> bool:
    """Whether something may be sent to an address: a public one, or with `private` also one of a network of one's own.

    Nothing is ever sent to several at once, to nobody, or to what a machine alone has to do with, as cloud metadata.
    """
    address = _plain(ipaddress.ip_address(text))
    if address.is_multicast or address.is_unspecified or address.is_link_local or address in _METADATA:
        return False
    return private or _is_public(address)


def _plain(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 one stands for: mapped (RFC 4291), 6to4 (RFC 3056), NAT64 (RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: _Address) -> bool:
    return address.is_global and (isinstance(address, IPv4Address) or address in _UNICAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """In seconds: how long one connection may take to be made, and to be done with."""

    connect_s: float = 5.0
    total_s: float = 15.0


class Guarded(httpcore.NetworkBackend):
    """Connects to allowed addresses only; each connection is over after its time, however slowly bytes come."""

    def __init__(self, *, private: bool, limits: Limits, resolve: Resolve) -> None:
        self._private = private
        self._limits = limits
        self._resolve = resolve
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - ours hold
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address that answers. Raises `ForbiddenAddressError` if one of them is none."""
        addresses, began = self._allowed(host, port), time.monotonic()
        error: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("its host has no address")
        for address in addresses:
            left_s = began + self._limits.connect_s - time.monotonic()
            if left_s <= 0:
                break
            try:
                stream = self._tcp.connect_tcp(address, port, left_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as refusal:
                error = refusal
            else:
                return _Timed(stream, began + self._limits.total_s)
        raise error

    def _allowed(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"its host is not known: {error}") from error
        for address in addresses:
            if not is_allowed(address, private=self._private):
                advice = "" if self._private else "; private = true allows networks of one's own"
                raise ForbiddenAddressError(f"its host has the address {address}, which is refused{advice}")
        return addresses


class _Timed(httpcore.NetworkStream):
    """A stream that is over at a time of the monotonic clock: time-outs of single reads let a slow peer go on."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def _left_s(self, late: type[Exception]) -> float:
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise late("it took too long")
        return left_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - ours holds
        return self._stream.read(max_bytes, self._left_s(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - ours holds
        self._stream.write(buffer, self._left_s(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - ours holds
    ) -> httpcore.NetworkStream:
        left_s = self._left_s(httpcore.ConnectTimeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left_s), self._ends_at)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

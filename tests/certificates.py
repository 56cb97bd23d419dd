"""TLS on loopback: a certificate that nobody else trusts, a relay that ends TLS with it, and a proxy to get there."""

import ipaddress
import select
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.relays import Relay

_ADDRESS = ipaddress.ip_address("127.0.0.1")


def self_signed(folder: Path) -> Path:
    """A new PEM file with a certificate for 127.0.0.1 and its key; as a bundle of authorities it trusts itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(_ADDRESS)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "sandbox.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return pem


class TlsRelay(Relay):
    """Ends TLS and hands on what was inside. `connections` counts those that clients began."""

    def __init__(self, port: int, pem: Path) -> None:
        super().__init__(port)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self.connections = 0

    @property
    def url(self) -> str:
        return super().url.replace("http://", "https://")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(client)
            self._run(self._shake_hands, client)

    def _shake_hands(self, client: socket.socket) -> None:
        try:
            inside = self._context.wrap_socket(client, server_side=True)
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        self._open += [inside, server]
        # one thread for both ways: a TLS connection is not for two
        with inside, server:
            _exchange(inside, server)


def _exchange(inside: ssl.SSLSocket, server: socket.socket) -> None:
    try:
        while True:
            ready = [inside] if inside.pending() else select.select([inside, server], [], [])[0]
            for source in ready:
                data = source.recv(1 << 16)
                if not data:
                    return
                (server if source is inside else inside).sendall(data)
    except (OSError, ValueError):
        return


class TunnelProxy(Relay):
    """An HTTP proxy that answers any CONNECT with a tunnel to `port`."""

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [client, server]
            self._run(self._tunnel, client, server)

    def _tunnel(self, client: socket.socket, server: socket.socket) -> None:
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            if not (more := client.recv(1)):
                return
            asked += more
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._run(self._pump, client, server, _same)
        self._pump(server, client, _same)


_same: Callable[[bytes], bytes] = bytes

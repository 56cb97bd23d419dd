"""How clouds are reached: pool, timeouts, and the proxy and certificates of our own settings.

The environment's proxy variables, `.netrc` and the SDKs' own files change nothing: who needs a proxy or a private
certificate authority says so in `AFTERTAKE_PROXY` and `AFTERTAKE_CA_BUNDLE`.
"""

import logging
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from storage.errors import Unsupported

_PROXY = re.compile(r"https?://([^\s/?#@]+@)?(\[[0-9a-fA-F:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]{1,5})?/?")
_TALKATIVE = ("boto3", "botocore", "oss2", "qcloud_cos", "urllib3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Settings of the connections to one store. A proxy's URL may hold a password, so `repr` leaves it out."""

    connect_s: float = 5.0
    read_s: float = 30.0
    complete_s: float = 600.0
    pool: int = 32
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Connection":
        """Read `AFTERTAKE_PROXY` (a URL) and `AFTERTAKE_CA_BUNDLE` (a file); empty is not set.

        Raises Unsupported for a proxy that is none. Its URL is not repeated: the libraries below would do that.
        """
        proxy = environment.get("AFTERTAKE_PROXY") or None
        if proxy is not None and not _PROXY.fullmatch(proxy):
            raise Unsupported("open_store", "AFTERTAKE_PROXY", "it is written http://host:port or https://host:port")
        return cls(proxy=proxy, ca_bundle=environment.get("AFTERTAKE_CA_BUNDLE") or None)

    @property
    def proxies(self) -> dict[str, str]:
        """For both schemes."""
        return {"http": self.proxy, "https": self.proxy} if self.proxy else {}

    def pool_manager(self) -> urllib3.PoolManager:
        """Connections of urllib3."""
        options: dict[str, Any] = {
            "maxsize": self.pool,
            "timeout": urllib3.Timeout(connect=self.connect_s, read=self.read_s),
            "ca_certs": self.ca_bundle or DEFAULT_CA_BUNDLE_PATH,
        }
        if not self.proxy:
            return urllib3.PoolManager(**options)
        keys = urllib3.util.parse_url(self.proxy).auth
        headers = urllib3.make_headers(proxy_basic_auth=unquote(keys)) if keys else None
        return urllib3.ProxyManager(self.proxy, proxy_headers=headers, **options)

    def tls(self) -> ssl.SSLContext:
        """For connections of other libraries."""
        return ssl.create_default_context(cafile=self.ca_bundle or DEFAULT_CA_BUNDLE_PATH)

    def session(self) -> requests.Session:
        """A session of requests that reads nothing from its surroundings."""
        session = requests.Session()
        session.trust_env = False
        session.proxies = self.proxies
        session.verify = self.ca_bundle or True
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_connections=self.pool, pool_maxsize=self.pool))
        return session


def silence_sdks() -> None:
    """Keep the SDKs' own logs out: at DEBUG they print signing keys, and as errors what our own errors say.

    By a filter at each of their loggers, as a level is soon set again, for example by a service that logs everything
    at DEBUG. Call it before and after an SDK is imported; a logger that is made later has the level of its parent.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _TALKATIVE:
            logging.getLogger(name).addFilter(_silent)


def _silent(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.CRITICAL

"""What all web stores share: connections through proxies, and what is wrong with a connection for good."""

import ipaddress
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:  # urllib3 is imported when the first request is made: most runs make none
    from urllib3 import BaseHTTPResponse, PoolManager

_PORTS = {"http": 80, "https": 443}
_NOT_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}
_PROXY_REFUSES = ("Tunnel connection failed: 407", "Tunnel connection failed: 403")


def proxy_for(url: str) -> str | None:
    """The proxy for a URL from HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in capitals or not; None for none.

    NO_PROXY holds host names, which stand for what is below them too, with a port or without, and networks
    (``10.0.0.0/8``).
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(f"{host}:{parts.port or _PORTS[parts.scheme]}"):
        return None
    if any(_holds(network.strip(), host) for network in proxies.get("no", "").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def pool(proxy: str | None, **options: Any) -> "PoolManager":
    """A pool of connections, through a proxy (``http://user:password@host:port``) or straight."""
    from urllib3 import PoolManager, ProxyManager, make_headers

    if proxy is None:
        return PoolManager(**options)
    parts = urlsplit(proxy)
    headers = None
    if parts.username is not None:
        headers = make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")
    return ProxyManager(proxy, proxy_headers=headers, **options)


@contextmanager
def released(response: "BaseHTTPResponse") -> Iterator["BaseHTTPResponse"]:
    """Gives the connection of a response back to its pool in the end, whether the body was read or not."""
    try:
        yield response
    finally:
        response.close()
        response.release_conn()


def what_no_retry_mends(error: BaseException, authorities: str) -> str | None:
    """What is wrong with a connection for good, and the fix; None where another attempt may help.

    Args:
        error: what was raised.
        authorities: the variable that names the file of certificate authorities.
    """
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            why = f" ({each.verify_message})" if each.verify_message else ""
            return f"the server's certificate is not trusted; set {authorities} to the file of its authority{why}"
        if isinstance(each, ssl.SSLError) and each.reason in _NOT_TLS:
            return "the server does not speak TLS there; mend the address, or begin it with http://"
        if isinstance(each, OSError) and str(each).startswith(_PROXY_REFUSES):
            return "the proxy refuses the connection; check HTTPS_PROXY, its user and its password"
    return None


def _holds(network: str, host: str) -> bool:
    try:
        return "/" in network and ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it stands for."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            further = [*each.args, each.__cause__, each.__context__]
            waiting += [one for one in further if isinstance(one, BaseException)]

"""Fetching over HTTP: redirects followed by hand, credentials kept to their origin, slow connections cut."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from zoo.weights.attempts import FetchFault, Kind
from zoo.weights.fetchers import FetchRequest, Partial
from zoo.weights.hooks import HookRequest, headers_for
from zoo.weights.http_rules import REDIRECTS, Origin, check_scheme, judge, redirect_target, without_user
from zoo.weights.places import is_http_allowed
from zoo.weights.redact import printable, redact
from zoo.weights.verify import why
from zoo.weights.watch import Watch

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from urllib3 import BaseHTTPResponse, PoolManager

    from zoo.weights.attempts import Limits

CHUNK = 2**16
AGENT = "resunet-zoo (+https://pypi.org/project/resunet-zoo)"


def fetch_http(request: FetchRequest) -> Partial:
    """Asks for a file, or for the rest of it, and returns its bytes as they come.

    Raises:
        FetchFault: It is not there, or not to be had safely.
        HookError: A hook raised.
    """
    watch = Watch(request.limits)
    try:
        response = _follow(request, watch)
        try:
            answer = judge(response.status, response.headers, request)
        except BaseException:
            response.close()
            raise
    except BaseException:
        watch.stop()
        raise
    return Partial(start=answer.start, chunks=_Body(response, watch), etag=answer.etag, note=answer.note)


class _Body:
    """The bytes of an answer as they come; closing it closes the connection."""

    def __init__(self, response: BaseHTTPResponse, watch: Watch) -> None:
        self._response = response
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with _faults_of(self._watch):
                # Not decoded, as what was registered are the bytes themselves; `read1` returns what is there.
                data = self._response.read1(CHUNK, decode_content=False)
            if not data:
                break
            self._watch.count(len(data))
            yield data
        if self._watch.is_tripped:
            raise self._watch.fault()

    def close(self) -> None:
        self._watch.stop()
        self._response.close()


def _follow(request: FetchRequest, watch: Watch) -> BaseHTTPResponse:
    """Returns the first answer that is no redirect; every URL on the way is checked anew."""
    http_allowed = is_http_allowed()
    check_scheme(request.url, came_from=None, http_allowed=http_allowed)
    url, basic = without_user(request.url)
    own = dict(request.headers) | ({"Authorization": basic} if basic else {})
    origin = check_scheme(url, came_from=None, http_allowed=http_allowed)
    given: dict[Origin, dict[str, str]] = {origin: own}
    asked: set[Origin] = set()
    visited: tuple[str, ...] = (url,)
    while True:
        if origin not in asked:
            asked.add(origin)
            hooked = headers_for(HookRequest(name=request.name, url=visited[-1], origin=origin))
            given[origin] = given.get(origin, {}) | hooked
        response = _ask(visited[-1], _headers(request) | given[origin], watch)
        if response.status not in REDIRECTS:
            return response
        location = response.headers.get("Location")
        response.close()
        target = redirect_target(location, visited, request.limits.redirects)
        origin = check_scheme(target, came_from=visited[-1], http_allowed=http_allowed)
        visited = (*visited, target)


def _headers(request: FetchRequest) -> dict[str, str]:
    """Returns what every request says: the bytes as they are, and only the rest where a part of them is there."""
    headers = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    if request.start:
        headers["Range"] = f"bytes={request.start}-"
        if request.etag:
            headers["If-Range"] = request.etag
    return headers


def _ask(url: str, headers: dict[str, str], watch: Watch) -> BaseHTTPResponse:
    import urllib3

    timeout = urllib3.Timeout(connect=watch.limits.connect, read=watch.limits.read)
    with _faults_of(watch):
        manager = _manager(url, watch)
        return manager.request(
            "GET", url, headers=headers, timeout=timeout, retries=False, redirect=False, preload_content=False,
            decode_content=False,
        )  # fmt: skip


def _manager(url: str, watch: Watch) -> PoolManager:
    """Returns what connects to a URL, directly or through the proxy that the environment names."""
    import urllib3
    from urllib3.util import make_headers

    proxy = _proxy_of(url)
    options: dict[str, Any] = {"num_pools": 1, "ca_certs": _certificates()}
    if proxy is None:
        manager = urllib3.PoolManager(**options)
    else:
        bare, user = _split_proxy(proxy)
        secret = make_headers(proxy_basic_auth=user) if user else None
        manager = urllib3.ProxyManager(bare, proxy_headers=secret, **options)
    manager.pool_classes_by_scheme = _watched_pools(watch)
    return manager


def _watched_pools(watch: Watch) -> dict[str, Any]:
    """Returns urllib3's pools, whose connections are under watch from their first packet on."""
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    def watched(base: type[HTTPConnection]) -> type[HTTPConnection]:
        def new_connection(self: HTTPConnection) -> socket.socket:
            connection = base._new_conn(self)
            watch.guard(connection)
            return connection

        return type("Watched", (base,), {"_new_conn": new_connection})

    plain = type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": watched(HTTPConnection)})
    secure = type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": watched(HTTPSConnection)})
    return {"http": plain, "https": secure}


def _proxy_of(url: str) -> str | None:
    """Returns the proxy for a URL by the environment (`https_proxy`, `all_proxy`, `no_proxy`) or the system's settings."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _split_proxy(proxy: str) -> tuple[str, str]:
    """Splits the URL of a proxy into the one to connect to and `user:password`."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(proxy)
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme not in ("http", "https") or not host:
        reason = f"the environment names the proxy {redact(proxy)}, and only those of http: and https: can be used"
        raise FetchFault(reason, Kind.REFUSED)
    return f"{parts.scheme}://{host}", unquote(user)


def _certificates() -> str | None:
    """Returns the file of trusted certificates where the system has none of its own, None where it has."""
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return None
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()


@contextlib.contextmanager
def _faults_of(watch: Watch) -> Iterator[None]:
    """Turns what goes wrong with a connection into a fault in words of our own: those of urllib3 have the whole URL."""
    from urllib3.exceptions import HTTPError

    try:
        yield
        return
    except (HTTPError, OSError, ValueError) as error:  # ValueError: what Python's HTTP makes of an ill-formed answer
        fault = watch.fault() if watch.is_tripped else _fault_of(error, watch.limits)
    raise fault


def _fault_of(error: Exception, limits: Limits) -> FetchFault:
    import ssl

    from urllib3 import exceptions

    causes = tuple(_chain(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"its certificate is not trusted: {printable(cause.verify_message)}"
            return FetchFault(reason, Kind.REFUSED)
    if isinstance(error, exceptions.NameResolutionError):
        return FetchFault("its host name cannot be resolved", Kind.BROKEN)
    if isinstance(error, exceptions.TimeoutError) and not isinstance(error, exceptions.NewConnectionError):
        connecting = isinstance(error, exceptions.ConnectTimeoutError)
        reason = f"no connection within {limits.connect:g} s" if connecting else f"nothing came for {limits.read:g} s"
        return FetchFault(reason, Kind.BROKEN)
    if isinstance(error, exceptions.IncompleteRead):
        return FetchFault("the connection ended before the file did", Kind.BROKEN)
    words = next((why(cause) for cause in causes if isinstance(cause, OSError) and cause.strerror), type(error).__name__)
    through = "through the proxy " if isinstance(error, exceptions.ProxyError) else ""
    kind = Kind.REFUSED if isinstance(error, (ValueError, exceptions.LocationValueError)) else Kind.BROKEN
    return FetchFault(f"the connection {through}failed: {printable(words)}", kind)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error, what it carries, and what it came from."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if any(current is other for other in seen):
            continue
        seen.append(current)
        yield current
        linked = (*current.args, current.__cause__, current.__context__)
        waiting += [item for item in linked if isinstance(item, BaseException)]

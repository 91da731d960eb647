"""A server on 127.0.0.1 that misbehaves on purpose, one scripted answer after the other."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Act = Callable[["Handler"], None]

LONGEST = 5.0
"""Seconds that a handler lives at most."""


@dataclass
class Seen:
    """A request that came."""

    path: str
    headers: dict[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass
class Server:
    """Acts are taken in order; the last one of a path is repeated."""

    port: int
    scheme: str = "http"
    acts: dict[str, list[Act]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str = "/file", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def on(self, *acts: Act, path: str = "/file") -> str:
        self.acts[path] = [*acts]
        return self.url(path)

    def next_act(self, seen: Seen) -> Act:
        with self.guard:
            self.seen.append(seen)
            acts = self.acts.get(seen.path.partition("?")[0])
            if not acts:
                return status(404)
            return acts.pop(0) if len(acts) > 1 else acts[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = LONGEST
    hostile: Server

    def do_GET(self) -> None:
        self.close_connection = True
        headers = {name.lower(): value for name, value in self.headers.items()}
        with contextlib.suppress(OSError):  # the client may hang up
            self.hostile.next_act(Seen(self.path, headers))(self)

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        pass

    def head(self, code: int = 200, **headers: object) -> None:
        """Sends the head: `content_length=5` is `Content-Length: 5`."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-").title(), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def reset(self) -> None:
        """Breaks the connection off with a reset packet."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def rest(self, body: bytes) -> tuple[int, bytes]:
        """Where the client wants to go on, and what comes from there."""
        wanted = self.headers.get("Range", "bytes=0-")
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        return start, body[start:]


@contextlib.contextmanager
def serving(certificate: Path | None = None) -> Iterator[Server]:
    """Runs a server; with a file of key and certificate it speaks TLS."""
    handler = type("OwnHandler", (Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        server.handle_error = lambda *_: None  # handshakes that the client refuses
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        hostile = Server(port=server.server_address[1], scheme="https" if certificate else "http")
        handler.hostile = hostile
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield hostile
        finally:
            hostile.stopping.set()
            server.shutdown()
            thread.join(LONGEST)


def good(body: bytes, **headers: object) -> Act:
    """The whole file, or the rest that is asked for, as a right server does it."""

    def act(handler: Handler) -> None:
        start, rest = handler.rest(body)
        etag = str(headers.get("etag", ""))
        if start and handler.headers.get("If-Range", etag) == etag:
            part = f"bytes {start}-{len(body) - 1}/{len(body)}"
            handler.head(206, content_length=len(rest), content_range=part, **headers)
            handler.wfile.write(rest)
        else:
            handler.head(content_length=len(body), **headers)
            handler.wfile.write(body)

    return act


def plain(body: bytes, code: int = 200, **headers: object) -> Act:
    """This body, whatever was asked for, with these headers and no others."""

    def act(handler: Handler) -> None:
        handler.head(code, **headers)
        handler.wfile.write(body)

    return act


def status(code: int, **headers: object) -> Act:
    """A status without a body."""
    return plain(b"", code, content_length=0, **headers)


def cut(body: bytes, after: int, **headers: object) -> Act:
    """A right head, and a connection that ends after some bytes."""

    def act(handler: Handler) -> None:
        start, rest = handler.rest(body)
        if start:
            part = f"bytes {start}-{len(body) - 1}/{len(body)}"
            handler.head(206, content_length=len(rest), content_range=part, **headers)
        else:
            handler.head(content_length=len(body), **headers)
        handler.wfile.write(rest[:after])

    return act


def reset(body: bytes, after: int) -> Act:
    """As `cut`, but by a reset packet, which may overtake bytes that were not read yet."""

    def act(handler: Handler) -> None:
        cut(body, after)(handler)
        handler.reset()

    return act


def drip(body: bytes, seconds: float) -> Act:
    """One byte after the other, each in time for a limit that only looks at the pause between two."""

    def act(handler: Handler) -> None:
        handler.head(content_length=len(body))
        end = time.monotonic() + LONGEST
        for place in range(len(body)):
            if handler.hostile.stopping.is_set() or time.monotonic() > end:
                return
            handler.wfile.write(body[place : place + 1])
            handler.wfile.flush()
            time.sleep(seconds)

    return act


def drip_head(seconds: float) -> Act:
    """A head that never ends."""

    def act(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        end = time.monotonic() + LONGEST
        while not handler.hostile.stopping.is_set() and time.monotonic() < end:
            handler.wfile.write(b"X-Endless: y\r\n"[:1])
            handler.wfile.flush()
            time.sleep(seconds)

    return act


def redirect(target: str, code: int = 302) -> Act:
    return status(code, location=target)

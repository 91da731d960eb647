"""A lower bound on the speed of a connection, kept by a thread that cuts it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from zoo.weights.attempts import FetchFault, Kind

if TYPE_CHECKING:
    from zoo.weights.attempts import Limits


class Watch:
    """Cuts a connection that is slower than the limit, wherever its reader waits: for headers, a body, or a handshake.

    Time limits of sockets start anew with every byte, so that a server could keep a reader for days.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.is_tripped = False
        self._received = 0
        self._sockets: list[socket.socket] = []
        self._guard = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="zoo-download-watch")
        self._thread.start()

    def guard(self, connection: socket.socket) -> None:
        """Takes a connection under watch, by a copy that stays valid when TLS is put around the original."""
        with self._guard:
            self._sockets.append(connection.dup())
            if self.is_tripped:
                self._cut()

    def count(self, received: int) -> None:
        """Takes note of bytes that came."""
        self._received += received

    def stop(self) -> None:
        """Ends the watch."""
        self._done.set()
        self._thread.join()
        for connection in self._sockets:
            connection.close()
        self._sockets.clear()

    def fault(self) -> FetchFault:
        """Returns what to raise when it cut a connection."""
        limits = self.limits
        reason = f"the server sends less than {limits.slowest:,.0f} bytes a second over {limits.window:g} s"
        return FetchFault(reason, Kind.BROKEN)

    def _run(self) -> None:
        before = 0
        while not self._done.wait(self.limits.window):
            received = self._received
            if received - before < self.limits.slowest * self.limits.window:
                with self._guard:
                    self.is_tripped = True
                    self._cut()
                return
            before = received

    def _cut(self) -> None:
        for connection in self._sockets:
            with contextlib.suppress(OSError):  # it ended by itself
                connection.shutdown(socket.SHUT_RDWR)

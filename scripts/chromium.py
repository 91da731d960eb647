"""Chromium for the tests of the site and for its screenshots: where it is, how it starts, and a server for it.

Run as a command, it names the browser that the tests would start, or says what is missing and exits 1.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# A site may be published under any address; no page may take for granted that it is the root of its host.
PREFIX = "/some/sub/path/"
# The last two keep the browser off the network: every host but this one has no address, and no proxy is asked for it.
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def find_chromium() -> str:
    """Returns the path of the browser: ZOO_CHROMIUM where it is set, else the first program of that kind on PATH.

    Raises:
        ZooError: The browser, or the Python package that speaks to it, is missing; one line that says how to get it.
    """
    try:
        import playwright  # noqa: F401
    except ImportError:
        raise ZooError('no package playwright; get it by `pip install -e ".[browser]"`') from None  # noqa: EM101
    named = os.environ.get("ZOO_CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found:
        return found
    sought = f"ZOO_CHROMIUM={named} is no program" if named else f"no {', '.join(PROGRAMS)} on PATH"
    message = f"{sought}; get a browser by `apt-get install chromium`, or name one: ZOO_CHROMIUM=/path/to/chromium"
    raise ZooError(message)


def launch(playwright: Playwright) -> Browser:
    """Starts the browser without a window and without a network."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder under `PREFIX` and nothing elsewhere, without a word."""

    protocol_version = "HTTP/1.1"  # keeps connections open, which a page of ten files gains by
    disable_nagle_algorithm = True
    wbufsize = -1

    def translate_path(self, path: str) -> str:
        """Returns the file for a path of an address; one that does not exist where the path is not under `PREFIX`."""
        if not path.startswith(PREFIX):
            return str(Path(self.directory) / "not served")
        return super().translate_path(path.removeprefix(PREFIX.rstrip("/")))

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps quiet: what fails is seen by the browser."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder on a free port of this machine; yields its address, which ends in `PREFIX`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    try:
        print(find_chromium())
    except ZooError as error:
        sys.exit(f"error: {error}")

"""What goes wrong in the pages of a browser: errors of scripts, messages of errors, missing files, requests elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

INLINE = ("data:", "blob:", "about:")


class Watch:
    """Collects the defects of all pages of a context, as texts.

    Attributes:
        defects: So far, in the order in which they came; `take()` empties it.
    """

    def __init__(self, context: BrowserContext, base: str) -> None:
        """Watches; `base` is the address of the site, under which every request must lie."""
        self.context = context
        self.base = base
        self.defects: list[str] = []
        context.on("console", self._console)
        context.on("weberror", self._weberror)
        context.on("request", self._request)
        context.on("response", self._response)
        context.on("requestfailed", self._failed)

    def take(self) -> list[str]:
        """Returns what was collected since the last call, each defect once."""
        found, self.defects = list(dict.fromkeys(self.defects)), []
        return found

    def _short(self, address: str) -> str:
        return address.removeprefix(self.base)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):  # told by its request
            self.defects.append(f"console: {message.text}")

    def _weberror(self, error: WebError) -> None:
        self.defects.append(f"error: {error.error}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.base, *INLINE)):
            self.defects.append(f"asks for {request.url}, outside the site")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.defects.append(f"{response.status}: {self._short(response.url)}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what a page still asks for when it is left; a missing file has a status
            self.defects.append(f"{request.failure}: {self._short(request.url)}")

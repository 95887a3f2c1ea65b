"""Who may speak to the server: requests with its token, its own address and its own page, and nobody else."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = "127.0.0.1"

# A notebook shows the page in a frame; what it shows is no secret for programs of the same user.
_FRAMES = "'self' http://127.0.0.1:* http://localhost:* vscode-webview:"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self'; "
    f"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {_FRAMES}"
)
FILE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
"""The policy of files of runs: a report may run its scripts, but not in the name of the page."""


@dataclass
class Activity:
    """Whether anybody uses the server. last: time of the last request, s. watching: the number of open live views."""

    last: float = field(default_factory=time.monotonic)
    watching: int = 0

    def idle_seconds(self) -> float:
        """Return for how long nobody has used the server."""
        return 0.0 if self.watching else time.monotonic() - self.last


class Guard:
    """Middleware that refuses requests of other pages and of those who do not know the token.

    A request must name the server by its loopback address (so that no other name can be made to point to it), must not
    come from another origin, and must have the token in its address or in the header `X-Artkit-Token`. There are no
    cookies, so that a browser adds nothing to requests of other pages. Static files need no token.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, activity: Activity) -> None:
        self.app, self.token, self.activity = app, token, activity
        self._hosts = {f"{LOOPBACK}:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a permitted request on, or answer it with status 403."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        if reason := self._refusal(scope):
            is_page = scope["path"] == "/"
            answer = PlainTextResponse(f"{reason}\n", 403) if is_page else JSONResponse({"error": reason}, 403)
            await answer(scope, receive, send)
            return

        self.activity.last = time.monotonic()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str:
        """Return why a request is refused; "" if it is permitted."""
        headers = Headers(scope=scope)
        if headers.get("host", "") not in self._hosts:
            return "this address is not that of the studio"
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return "requests of other pages are refused"
        navigates = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not navigates:
            return "requests of other pages are refused"
        if scope["path"].startswith("/static/"):
            return ""
        in_address = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        given = headers.get("x-artkit-token", in_address)
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "the address lacks the token of the studio; open the one that `artkit studio` has printed"
        return ""

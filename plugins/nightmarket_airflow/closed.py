"""Shuts what Airflow shows of itself to whoever asks: the descriptions of its interfaces, which need no login there.

They hold nothing of ours, but they say what there is to attack, in which version; nobody here needs them.
"""

import json
from typing import Any

DESCRIPTIONS = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/execution/changelog")


class ClosedDescriptions:
    """An ASGI middleware around all of the API server, and so around all that is mounted in it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].rstrip("/").endswith(DESCRIPTIONS):
            await self.app(scope, receive, send)
            return
        body = json.dumps({"detail": "this server does not describe its interfaces"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})

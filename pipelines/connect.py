"""The way to a Spark Connect server behind `sc://`, and the token that opens it.

The token is a secret of the platform, never a part of a URL: settings and manifests keep URLs. On loopback it travels
as it is; to another machine in TLS (`;use_ssl=true`, for a proxy before the server, which has none of its own), or in
the clear where the URL says `;use_ssl=false`: on a network that only the stack uses.
"""

import os
from collections.abc import Callable
from typing import Any

import grpc
from pyspark.sql.connect.client import DefaultChannelBuilder

from pipelines.errors import Unavailable, UsageError
from pipelines.serve.secret import given

SECRET, VARIABLE = "spark_connect_token", "SPARK_CONNECT_AUTHENTICATE_TOKEN"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
ANSWER_SECONDS = 30.0
"""How long a server may take to answer at all: one that is starting is waited for, one that is away is said soon."""


def token() -> str | None:
    """The secret of the platform, else the variable that Spark's own clients read, else None."""
    return given(SECRET) or os.environ.get(VARIABLE)


def hidden(text: str) -> str:
    """The text without the token, for logs and errors."""
    known = token()
    return text.replace(known, "***") if known else text


class Channel(DefaultChannelBuilder):
    """Spark's own takes a token from the environment for every server, and asks 127.0.0.1 for TLS."""

    def __init__(self, url: str, token: str | None = None) -> None:
        super().__init__(url)
        self._token = token
        if "token" in self._params:
            raise UsageError(f"engine: a token does not belong in the URL; keep it in {VARIABLE} or as secret {SECRET}")
        if token and not self._is_local and "use_ssl" not in self._params:
            raise UsageError(
                f"engine sc://{self.endpoint}: a token for another machine needs TLS before the server"
                " (add /;use_ssl=true), or a network that only the stack uses (add /;use_ssl=false)"
            )
        if token and not self._is_local and not self.use_ssl:
            self.add_interceptor(_Bearer(token))

    @property
    def token(self) -> str | None:
        return self._token

    @property
    def _is_local(self) -> bool:
        return self.host in LOOPBACK

    def toChannel(self) -> grpc.Channel:
        if self._token is None or self.use_ssl:
            return super().toChannel()
        if not self._is_local:
            return self._insecure_channel(self.endpoint)
        # gRPC lets a token travel only in what it takes for secure; it checks itself that this is loopback.
        local = grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
        bearer = grpc.access_token_call_credentials(self._token)
        return self._secure_channel(self.endpoint, grpc.composite_channel_credentials(local, bearer))

    def require_answer(self, seconds: float) -> None:
        """Raise Unavailable where nobody answers: Spark's client would try for ten minutes before its first word."""
        with self.toChannel() as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=seconds)
            except grpc.FutureTimeoutError as error:
                raise Unavailable(
                    f"no Spark Connect server answers at {self.endpoint} within {seconds:.0f} s;"
                    " see that it runs (and whether it wants TLS), then run again"
                ) from error


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Adds the token to every call; gRPC's own way refuses to on a channel without TLS."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _call(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        return go_on(details._replace(metadata=[*(details.metadata or ()), self._header]), request)

    intercept_unary_unary = intercept_unary_stream = intercept_stream_unary = _call

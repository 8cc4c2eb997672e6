"""A token goes to the server it is for, and to nobody else; what would send it in the clear must be said."""

from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

from pipelines.connect import VARIABLE, Channel, hidden, token
from pipelines.errors import Unavailable, UsageError
from tests.s3 import free_port


def test_a_token_in_the_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError, match="a token does not belong in the URL") as refused:
        Channel("sc://localhost:15002/;token=geheim")
    assert "geheim" not in str(refused.value)


def test_to_another_machine_the_url_says_how_the_token_travels() -> None:
    with pytest.raises(UsageError, match="needs TLS before the server .*use_ssl=true.*use_ssl=false") as refused:
        Channel("sc://spark.example:15002", "geheim")
    assert "geheim" not in str(refused.value)
    assert Channel("sc://spark.example:15002/;use_ssl=true", "geheim").use_ssl
    assert not Channel("sc://spark.example:15002/;use_ssl=false", "geheim").use_ssl
    assert Channel("sc://spark.example:15002").token is None


def test_a_token_of_the_environment_does_not_go_to_a_server_that_asks_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the Sail server in this process, beside a token that is meant for a cluster."""
    monkeypatch.setenv(VARIABLE, "geheim")
    assert token() == "geheim"
    channel = Channel("sc://127.0.0.1:15002")
    assert (channel.token, channel.secure) == (None, False)


def test_errors_do_not_show_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "geheim")
    assert hidden("Bearer geheim was refused") == "Bearer *** was refused"


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A gRPC server without TLS that keeps the Authorization header of every call."""
    heard: list[str] = []

    class Listener(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            heard.append(dict(details.invocation_metadata).get("authorization", ""))
            return grpc.unary_unary_rpc_method_handler(lambda request, context: request)

    running = grpc.server(futures.ThreadPoolExecutor(1), handlers=(Listener(),))
    port = running.add_insecure_port("127.0.0.1:0")
    running.add_insecure_port(f"127.0.0.2:{port}")
    running.start()
    yield port, heard
    running.stop(None).wait(60)


@pytest.mark.parametrize(
    ("url", "given", "expected"),
    [
        ("sc://127.0.0.1:{}", "geheim", "Bearer geheim"),
        ("sc://localhost:{}", "geheim", "Bearer geheim"),
        (
            "sc://127.0.0.2:{}/;use_ssl=false",
            "geheim",
            "Bearer geheim",
        ),  # not one of the names that are taken for local
        ("sc://127.0.0.1:{}", None, ""),
    ],
)
def test_a_server_without_tls_is_given_the_token(
    server: tuple[int, list[str]], url: str, given: str | None, expected: str
) -> None:
    port, heard = server
    channel = Channel(url.format(port), given)
    channel.require_answer(60)
    with channel.toChannel() as opened:
        assert opened.unary_unary("/service/method")(b"x", timeout=60) == b"x"
    assert heard == [expected]


def test_a_port_where_nobody_listens_may_be_open_later() -> None:
    with pytest.raises(Unavailable, match="no Spark Connect server answers at 127.0.0.1:.* within 0 s"):
        Channel(f"sc://127.0.0.1:{free_port()}").require_answer(0.2)

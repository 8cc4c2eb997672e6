"""Descriptions of interfaces are closed wherever they are mounted; everything else is passed on."""

import asyncio
from typing import Any

import pytest
from nightmarket_airflow.closed import ClosedDescriptions


def asked(path: str) -> int:
    """The status that a GET of this path gets, where the application itself answers 200 to everything."""
    sent: list[dict[str, Any]] = []

    async def everything(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(ClosedDescriptions(everything)({"type": "http", "path": path}, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize("path", ["/docs", "/redoc/", "/openapi.json", "/auth/docs", "/execution/openapi.json"])
def test_a_description_is_closed_wherever_it_is(path: str) -> None:
    assert asked(path) == 403


@pytest.mark.parametrize("path", ["/", "/api/v2/dags", "/dags/docs_of_night", "/nightmarket/reports/audit/x.html"])
def test_everything_else_is_passed_on(path: str) -> None:
    assert asked(path) == 200

"""One page per audited stage of a night: what was expected, what was found, failures first. It needs no network."""

from html import escape
from typing import Any

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #8884}
.failed td:first-child{border-left:4px solid #c62828}.warned td:first-child{border-left:4px solid #ef6c00}
.passed td:first-child{border-left:4px solid #2e7d32}
"""
_KINDS = ("failed", "warned", "passed")


def page(stage: str, night: str, results: list[dict[str, Any]]) -> str:
    """The HTML of one stage; `results` are rows of ops.audit_results."""
    title = escape(f"Audit of {stage}, night {night}")
    counts = {kind: sum(_kind(r) == kind for r in results) for kind in _KINDS}
    verdict = "stopped the night" if counts["failed"] else "passed"
    summary = f"{verdict}: {counts['failed']} failed, {counts['warned']} warned, {counts['passed']} passed"
    if not results:
        summary = "nothing to audit: no row came (a closed day)"
    rows = "".join(map(_row, sorted(results, key=lambda r: (_KINDS.index(_kind(r)), r["expectation"]))))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1><p><strong>{escape(summary)}</strong></p>"
        "<table><tr><th>outcome<th>expectation<th>severity<th>found</tr>"
        f"{rows}</table><p>The same as Great Expectations shows it: <a href='index.html'>Data Docs</a>.</p>"
    )


def _kind(result: dict[str, Any]) -> str:
    if result["success"]:
        return "passed"
    return "failed" if result["severity"] == "critical" else "warned"


def _row(result: dict[str, Any]) -> str:
    kind = _kind(result)
    return (
        f"<tr class={kind}><td>{kind}<td>{escape(result['expectation'])}<td>{escape(result['severity'])}"
        f"<td>{escape(result['observed'])}</tr>"
    )

"""`events`: the live view, and Keeptrusts' words for what happened."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of

app = typer.Typer(help="What happens: tail.", no_args_is_help=True, rich_markup_mode=None)

POLL_S = 0.5
_VERDICTS = ("allow", "block", "redact", "escalate")


@app.command("tail")
def tail(
    context: typer.Context,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay, and show new events as they come.")] = False,
    since: Annotated[str, typer.Option("--since", help="From when on: 5m, 1h, 24h, 7d, RFC 3339.")] = "1h",
    verdict: Annotated[str, typer.Option("--verdict", help="Only allow, block, redact or escalate.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many to begin with.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the newest events, oldest of them first; with -f go on until interrupted.

    Example: lockgate events tail -f --verdict block
    """
    import time
    from dataclasses import replace
    from datetime import UTC, datetime

    from pipeline.cli.reading import moment, open_store
    from pipeline.errors import BadRequest
    from pipeline.store.read_model import parse_filter

    if verdict and verdict not in _VERDICTS:
        raise BadRequest("--verdict is allow, block, redact or escalate.")
    asked = parse_filter({"from": moment(since, datetime.now(UTC), "since")})
    with open_store(process_of(context)) as reads:
        seen: set[str] = set()
        rows = _newest(reads.iterate_events(asked), verdict, limit)
        if not as_json:
            print(_LINE.format("TIME", "VERDICT", "KIND", "MODEL", "REASON", "ID"))
        while True:
            for row in reversed(rows):
                if row["id"] not in seen:
                    seen.add(row["id"])
                    _print(row, as_json)
            if not follow:
                return
            time.sleep(POLL_S)
            # Writers may finish a little out of order: look a few seconds back, and leave out what was shown.
            newest_us = max((row["at_us"] for row in rows), default=asked.from_us)
            asked = replace(asked, from_us=max(asked.from_us, newest_us - 5_000_000))
            rows = _newest(reads.iterate_events(asked), verdict, 1000)
            if len(seen) > 100_000:
                seen = {row["id"] for row in rows}


_LINE = "{:<27}  {:<8}  {:<26}  {:<20}  {:<27}  {}"


def verdict_of(row: dict[str, Any]) -> str:
    """What was decided, in Keeptrusts' words: `block`, `redact`, `escalate` (never yet) or `allow`."""
    if row["outcome"] == "refused" or (row["kind"].startswith("policy:") and row["kind"].endswith(":block")):
        return "block"
    detail = _detail(row)
    return "redact" if any(detail.get(name) for name in ("prompt_redactions", "answer_redactions", "redactions")) else "allow"


def _detail(row: dict[str, Any]) -> dict[str, Any]:
    """The detail of an event, which the store keeps as the canonical JSON text that was hashed."""
    import json

    detail: dict[str, Any] = json.loads(row["detail"])
    return detail


def _newest(events: Any, verdict: str, limit: int) -> list[dict[str, Any]]:
    found = []
    for row in events:
        if not verdict or verdict_of(row) == verdict:
            found.append(row)
            if len(found) >= limit:
                break
    return found


def _print(row: dict[str, Any], as_json: bool) -> None:
    from pipeline.cli.output import print_line
    from pipeline.clock import rfc3339

    reason = row["error"] or row["outcome"]
    if as_json:
        print_line(
            {
                "schema": "lockgate.events.tail/1",
                "id": row["id"],
                "event_type": row["kind"],
                "timestamp": rfc3339(row["at_us"]),
                "verdict": verdict_of(row),
                "reason_code": reason,
                "model": row["model"],
                "provider": row["target_id"],
                "config_version": _detail(row).get("policy_digest", ""),
                "request_id": row["request_id"],
                "actor": row["actor"],
            }
        )
        return
    print(_LINE.format(rfc3339(row["at_us"]), verdict_of(row), row["kind"], row["model"], reason, row["id"]), flush=True)

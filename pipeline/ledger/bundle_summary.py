"""One page or two for people: what a bundle holds, as PDF. The evidence is the signed files beside it, not this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.clock import rfc3339

_ROWS: Final = 200
"""Rows of a table; what is more is in the bundle's files."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the summary says. `kinds` are (kind, outcome, count) of the period; money is in micro-dollars."""

    from_us: int
    to_us: int
    made_us: int
    chains: tuple[Mapping[str, Any], ...]
    points: int
    kinds: tuple[tuple[str, str, int], ...]
    charges: int
    cost_micros: int
    key_id: str

    @property
    def events(self) -> int:
        """How many events the bundle holds."""
        return sum(int(chain.get("events", 0)) for chain in self.chains)

    @property
    def since(self) -> str:
        """The beginning of the period."""
        return rfc3339(self.from_us) if self.from_us else "the beginning"

    @property
    def until(self) -> str:
        """Its end."""
        return rfc3339(self.to_us)


def summary_pdf(facts: Facts) -> bytes | None:
    """The PDF, the same for the same facts; None when fpdf2 is not installed."""
    try:
        from fpdf import FPDF
    except ImportError:
        return None
    page = FPDF(format="A4")
    page.set_creation_date(datetime.fromtimestamp(facts.made_us / 1e6, UTC))
    page.set_title("Lockgate evidence summary")
    page.set_producer("Lockgate")
    page.add_page()
    page.set_font("Helvetica", "B", 16)
    page.cell(text="Lockgate evidence summary", new_x="LMARGIN", new_y="NEXT", h=12)
    page.set_font("Helvetica", size=10)
    signed = f"signed by key {facts.key_id}" if facts.key_id else "NOT SIGNED"
    for line in (
        f"Period: {facts.since} to {facts.until}",
        f"Made: {rfc3339(facts.made_us)}, {signed}",
        f"{facts.events} events in {len(facts.chains)} chains, {facts.points} checkpoints",
        f"{facts.charges} charges, {facts.cost_micros / 1e6:,.6f} USD",
        "This page is no evidence by itself: verify the bundle with verify.py and the public key that you were given.",
    ):
        page.multi_cell(0, 6, _plain(line), new_x="LMARGIN", new_y="NEXT")
    _table(page, "Events of the period", ("Kind", "Outcome", "Number"), [tuple(map(str, row)) for row in facts.kinds])
    ends = [
        (str(chain["chain"]), f"{chain['first_seq']} to {chain.get('last_seq', '')}", str(chain.get("hash", ""))) for chain in facts.chains
    ]
    _table(page, "Chains", ("Chain", "Events", "Hash of the last"), ends, widths=(30, 22, 60))
    return bytes(page.output())


def _table(page: Any, title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], widths: tuple[int, ...] = (60, 30, 20)) -> None:
    page.ln(4)
    page.set_font("Helvetica", "B", 12)
    page.cell(text=title, new_x="LMARGIN", new_y="NEXT", h=8)
    page.set_font("Helvetica", size=8)
    with page.table(col_widths=widths, line_height=5) as table:
        for cells in (heads, *rows[:_ROWS]):
            row = table.row()
            for cell in cells:
                row.cell(_plain(cell))
    if len(rows) > _ROWS:
        page.cell(text=f"... and {len(rows) - _ROWS} more", new_x="LMARGIN", new_y="NEXT")


def _plain(text: str) -> str:
    """What the built-in fonts can show (Latin-1)."""
    return text.encode("latin-1", "replace").decode("latin-1")

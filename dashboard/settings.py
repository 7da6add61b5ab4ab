"""What the dashboard process is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECTION = "lockgate"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, what to read, whom to ask.

    `database_url` may hold a password: it is never printed. `gateway_ca` is a CA file for a gateway that serves TLS; `hosts` are
    names besides the loopback ones under which browsers may reach this page (behind a proxy).
    """

    database_url: str = field(repr=False)
    gateway_url: str
    host: str = "127.0.0.1"
    port: int = 8501
    gateway_ca: str = ""
    hosts: tuple[str, ...] = ()

    def as_section(self) -> dict[str, Any]:
        """The part that the page script needs, in the shape of Streamlit's own configuration for scripts."""
        return {SECTION: {"database_url": self.database_url, "gateway_url": self.gateway_url, "gateway_ca": self.gateway_ca}}

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> Settings:
        """Read back what `as_section` wrote."""
        return cls(database_url=section["database_url"], gateway_url=section["gateway_url"], gateway_ca=section.get("gateway_ca", ""))

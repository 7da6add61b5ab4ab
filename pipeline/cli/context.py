"""What every command starts from: the process as the environment and the global options say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.config.environment import Process

JsonOption = Annotated[bool, typer.Option("--json", help="Write versioned JSON.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="The document (default: LOCKGATE_CONFIG or lockgate.yaml).")]


def process_of(context: typer.Context, **given: object) -> Process:
    """Read the environment, with the global options and a command's own (None: not given) before it. ConfigError when it is wrong."""
    from pipeline.config.environment import read_process

    options = context.find_root().obj or {}
    return read_process(**{**options, **{name: value for name, value in given.items() if value is not None}})

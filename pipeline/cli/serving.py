"""`up`, `demo`, `serve`, `collect`: the gateway, or its receiver of telemetry, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import ConfigOption, process_of

PortOption = Annotated[int | None, typer.Option("--port", help="Port of the gateway (default: 4000, or another free one).")]
DocumentOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The document (default: LOCKGATE_CONFIG, or the built-in quick start).")
]
DashboardOption = Annotated[
    int | None, typer.Option("--dashboard-port", help="Port of the dashboard (default: 8501, or another free one).")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("demo")(demo)
    app.command("serve")(serve)
    app.command("collect")(collect)


def up(
    context: typer.Context,
    config: DocumentOption = None,
    port: PortOption = None,
    dashboard_port: DashboardOption = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the dashboard in a browser.")] = False,
) -> None:
    """Start gateway and dashboard, with a fresh key.

    Prints how to use them; Ctrl-C stops both.

    Example: lockgate up --config lockgate.yaml
    """
    from pipeline.bootstrap.up import up as start

    process = process_of(context, config=config, port=port, dashboard_port=dashboard_port)
    raise typer.Exit(start(process, home=process.home, open_browser=open_browser))


def demo(context: typer.Context, config: DocumentOption = None, port: PortOption = None, dashboard_port: DashboardOption = None) -> None:
    """Like up, in a temporary folder.

    The folder is removed afterwards.

    Example: lockgate demo
    """
    from pipeline.bootstrap.up import demo as start

    raise typer.Exit(start(process_of(context, config=config, port=port, dashboard_port=dashboard_port)))


def serve(
    context: typer.Context,
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; any but loopback needs TLS.")] = None,
    port: PortOption = None,
    log_level: Annotated[str | None, typer.Option("--log-level", help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Run the gateway alone. Refuses to start while a required secret is missing.

    Example: lockgate serve --config lockgate.yaml
    """
    from pipeline.bootstrap.serve import serve as start

    raise typer.Exit(start(process_of(context, config=config, host=host, port=port, log_level=log_level and log_level.upper())))


def collect(
    context: typer.Context,
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; any but loopback needs TLS.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port of OTLP over HTTP (default: 4318, or another free one).")] = None,
    log_level: Annotated[str | None, typer.Option("--log-level", help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Run the OTLP receiver alone: a redacting collector.

    Takes traces, logs and metrics over HTTP and gRPC with virtual keys; the port of gRPC is telemetry.receiver.grpc_port (default: 4317,
    or another free one).

    Example: lockgate collect --config lockgate.yaml
    """
    from pipeline.bootstrap.collect import collect as start

    raise typer.Exit(start(process_of(context, config=config, host=host, port=port, log_level=log_level and log_level.upper())))

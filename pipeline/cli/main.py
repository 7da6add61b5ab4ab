"""The entry of the command line: puts the groups together, and turns every failure into its exit code and message.

`lockgate --help` must stay under 150 ms: nothing but typer and these files is imported here, and each command imports what it
needs when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from pipeline.cli import (
    about,
    approval,
    audit,
    audit_proof,
    budget,
    configuration,
    database,
    event,
    importing,
    key,
    outbox,
    policy,
    preflight,
    redaction,
    rules,
    secret,
    serving,
    spend,
    stored,
    user,
)
from pipeline.cli.exits import FAILED, INTERRUPTED, UNAVAILABLE, USAGE, exit_code_of, tell, tell_store_trouble, tell_trouble

app = typer.Typer(
    name="lockgate",
    help="The one door between your apps and their model providers.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option("--home", help="The data folder (default: LOCKGATE_HOME).")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show redacted tracebacks of unexpected errors.")] = False,
) -> None:
    """The one door between your apps and their model providers."""
    _ = debug  # read in `main`, which also sees errors from before the options are parsed
    context.obj = {} if home is None else {"home": home}


for module in (serving, preflight, redaction, about):
    module.register(app)
for name, group in (
    ("keys", key.app),
    ("budgets", budget.app),
    ("approvals", approval.app),
    ("users", user.app),
    ("secrets", secret.app),
    ("audit", audit.app),
    ("events", event.app),
    ("spend", spend.app),
    ("outbox", outbox.app),
    ("contents", stored.app),
    ("rules", rules.app),
    ("policies", policy.app),
    ("config", configuration.app),
    ("import", importing.app),
    ("db", database.app),
):
    app.add_typer(group, name=name)
audit_proof.register(audit.app)
app.add_typer(secret.app, name="secret", hidden=True)


def main(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    from pipeline.errors import PipelineError
    from redactors.model import RedactionError

    debug = "--debug" in arguments
    try:
        result = get_command(app).main(args=list(arguments), prog_name="lockgate", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except PipelineError as error:
        tell(error)
        return exit_code_of(error)
    except RedactionError as error:
        tell(error)
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain about it again when it exits.
        sys.stdout = None
        return 0
    except Exception as error:  # noqa: BLE001 - boundary: whatever happens, no traceback that was not redacted
        if hasattr(error, "exit_code") and hasattr(error, "show"):  # a wrong option or argument
            error.show()
            return USAGE
        if tell_store_trouble(error):
            return UNAVAILABLE
        tell_trouble(error, debug=debug)
        return FAILED
    return result if isinstance(result, int) else 0


def run() -> None:
    """What the `lockgate` script calls."""
    if sys.argv[1:] == ["version"]:  # asked by scripts all the time, and typer's parsing loads pydantic
        from pipeline.version import VERSION

        print(VERSION)
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold what a command was given to keep out of sight
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()

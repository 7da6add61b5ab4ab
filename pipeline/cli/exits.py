"""Exit codes, and how a failure is told: what happened, where, how to fix it. No tracebacks unless asked for, and those redacted.

The codes are the same for every command (the README has them as a table): whatever stops `serve` has the code that `check` gives it.
"""

from __future__ import annotations

import sys
from typing import Final

OK: Final = 0
FAILED: Final = 1
"""Something was found, or a check failed."""
USAGE: Final = 2
"""The command or the configuration is wrong."""
UNAVAILABLE: Final = 3
"""Something that is needed cannot be reached."""
DENIED: Final = 4
"""Authentication or authorization."""
BROKEN: Final = 5
"""What is written down is not what was written."""
INTERRUPTED: Final = 130


def exit_code_of(error: Exception) -> int:
    """The exit code of an error of ours."""
    from pipeline.errors import ConfigError, LedgerError, PipelineError, SecretError

    if isinstance(error, ConfigError):
        return USAGE
    if isinstance(error, SecretError):
        from pipeline.vaults.check import code_of

        return code_of(error.reason)
    if isinstance(error, LedgerError):
        return UNAVAILABLE
    if isinstance(error, PipelineError):
        if error.status in (401, 403):
            return DENIED
        if error.status >= 500 or error.status == 429:
            return UNAVAILABLE
    return USAGE


def tell(error: Exception) -> None:
    """Write an error of ours to stderr: one line for what, one for how to fix it."""
    from pipeline.errors import PipelineError

    message = error.message if isinstance(error, PipelineError) else str(error)
    print(f"lockgate: {message}", file=sys.stderr)
    hint = error.hint if isinstance(error, PipelineError) else ""
    if hint:
        print(f"  how to fix: {hint}", file=sys.stderr)


def tell_store_trouble(error: Exception) -> bool:
    """Write a database error to stderr, without its text; says whether it was one."""
    from sqlalchemy.exc import SQLAlchemyError

    from pipeline.store.engine import StoreError

    if isinstance(error, StoreError):
        print(f"lockgate: {error}.", file=sys.stderr)  # a message of ours: it names the cause and no credential
    elif isinstance(error, SQLAlchemyError):
        print(f"lockgate: the database cannot be used ({type(error).__name__}).", file=sys.stderr)
    else:
        return False
    print("  how to fix: check LOCKGATE_DATABASE_URL, the server, and `lockgate doctor`.", file=sys.stderr)
    return True


def tell_trouble(error: BaseException, *, debug: bool) -> None:
    """Write an error that is not ours: its type only, because its text may hold anything; with `debug` the redacted traceback."""
    kind = type(error).__name__
    print(f"lockgate: something went wrong that should not ({kind}).", file=sys.stderr)
    if not debug:
        print("  how to fix: run the command again with --debug to see where, and report it.", file=sys.stderr)
        return
    import traceback

    from redactors import build_redactor

    text = "".join(traceback.format_exception(error))
    try:
        shown = build_redactor(direction="telemetry").text(text).value
    except Exception:  # noqa: BLE001 - boundary: when redaction fails, the text stays here
        shown = "The traceback could not be redacted, so it is not shown.\n"
    print(shown, file=sys.stderr, end="")

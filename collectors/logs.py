"""Logs as redacted JSON lines: one handler at the root, where every record of every logger passes.

What is redacted is the finished record: the message after formatting, the traceback, the stack, every `extra`. A record
whose redaction fails becomes a line without text. `install` also takes what would go to stderr past the loggers: uncaught
exceptions of the main thread, of threads, of tasks and of finalizers, and warnings.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Final, TextIO

import orjson

from collectors.gate import TreeRedactor
from collectors.model import Record
from redactors.model import Clean

_STANDARD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
_UVICORN: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
_BUSY: Final[ContextVar[bool]] = ContextVar("lockgate_log_busy", default=False)
_MAX_TEXT: Final = 65_536
_CARRIERS: Final = ("collectors.outbox", "collectors.spool", "collectors.otlp", "collectors.export")
_SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_NAMES: Final = {"logger": "log.logger", "exception": "exception.stacktrace"}
_INT64: Final = 2**63

_log = logging.getLogger(__name__)


class RedactingHandler(logging.Handler):
    """Writes every record as one redacted JSON line to `stream`. `failures` counts lines that became tombstones or were not written.

    Under a redactor with a deadline (`collectors.deadline`) a detector that hangs costs a line its text, and who logs goes on.
    """

    def __init__(self, redactor: TreeRedactor, stream: TextIO, *, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._redactor = redactor
        self._stream = stream
        self.failures = 0
        self.tap: Callable[[Clean[Record]], None] | None = None
        """Given every redacted record beside the stream, in the thread that logs; must be quick. What carries logs away is not given:
        its own lines would make more of them."""
        self.count: Callable[[int], None] | None = None
        """Told of every failure."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record unless the redactor itself logs it: that would come back here for ever.

        Decided before the handler's lock is taken, which whoever waits for a redactor on another thread holds.
        """
        return False if _BUSY.get() else bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Redact and write. Raises nothing: logging must not break what logs."""
        token = _BUSY.set(True)
        try:
            line = self._line(record)
        except Exception:  # noqa: BLE001 - fail closed: whatever the redactor raises, the text does not leave
            self._failed()
            line = _tombstone(record)
        except BaseException:
            self._write(_tombstone(record))
            raise
        finally:
            _BUSY.reset(token)
        self._write(line)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Count only: the standard library would print the raw record to stderr."""
        self._failed()

    def _line(self, record: logging.LogRecord) -> bytes:
        raw = fields(record)
        clean = self._redactor.tree(raw)
        value = clean.value
        if not isinstance(value, dict):
            raise TypeError("the redactor changed the shape of a log record")
        if self.tap is not None and not record.name.startswith(_CARRIERS):
            self.tap(clean.map(partial(_log_record, head=record)))
        return orjson.dumps({**_head(record), **value}, default=_no_text)

    def _write(self, line: bytes) -> None:
        try:
            self._stream.write(line.decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._failed()  # nobody reads any more; there is no other place to say so

    def _failed(self) -> None:
        self.failures += 1
        if self.count is not None:
            self.count(1)


def _log_record(value: Any, *, head: logging.LogRecord) -> Record:
    """A redacted line as OTLP's log record: the message is its body, the rest attributes. Severity after the specification's table.

    Source: opentelemetry.io/docs/specs/otel/logs/data-model-appendix.
    """
    attributes = {_NAMES.get(key, key): field for key, field in value.items() if key != "event"}
    severity = min(24, max(1, head.levelno * 4 // 10 + 1))
    tree = {
        "time_unix_nano": int(head.created * 1e9),
        "severity_number": severity,
        "severity_text": _SEVERITIES[(severity - 1) // 4],
        "body": value.get("event", ""),
        "attributes": attributes,
    }
    return Record("logs", tree)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """The raw texts of a record: logger, message, exception, stack and extras, as a JSON tree. Nothing is redacted here."""
    out: dict[str, Any] = {"logger": record.name}
    if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, version, status = record.args
        # The query string may hold anything; the path is enough to see what was asked.
        out |= {"event": "request", "client": str(client), "method": str(method), "path": str(path).split("?", 1)[0], "http": str(version)}
        out["status"] = _plain(status, 0)
    else:
        out["event"] = _text(_message(record))
    if record.exc_info and record.exc_info[1] is not None:
        out["exception"] = _text("".join(traceback.format_exception(record.exc_info[1])))
    elif record.exc_text:
        out["exception"] = _text(record.exc_text)
    if record.stack_info:
        out["stack"] = _text(record.stack_info)
    for key, value in record.__dict__.items():
        name = _text(str(key))
        if name not in _STANDARD and not name.startswith("_") and name != "color_message":
            out[name if name not in out else f"extra_{name}"] = _plain(value, 0)
    return out


def _message(record: logging.LogRecord) -> str:
    """The formatted message, or its pattern alone when the arguments do not fit it."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _plain(value: Any, depth: int) -> Any:
    """An extra as a JSON tree: containers are walked, anything unknown becomes its text, which is redacted like any other."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, str):
        return _text(str.__str__(value))
    if depth < 8 and isinstance(value, dict):
        return {_text(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if depth < 8 and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")[:_MAX_TEXT]
    return _text(str(value))


def _text(text: str) -> str:
    """The text, cut to what a line may hold, without lone surrogates (JSON in UTF-8 has none)."""
    text = text[:_MAX_TEXT]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _head(record: logging.LogRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"at": at, "level": logging.getLevelName(record.levelno).lower() if record.levelno % 10 == 0 else str(record.levelno)}


def _tombstone(record: logging.LogRecord) -> bytes:
    """A line without any text of the record: when, how bad, which line of code."""
    return orjson.dumps({**_head(record), "event": "redaction_failed", "line": record.lineno})


def _no_text(_value: Any) -> str:
    return "[unsupported]"


class Installed:
    """What `install` put in place; `undo` puts back what was there before."""

    def __init__(self, handler: RedactingHandler, undo: Callable[[], None]) -> None:
        self.handler = handler
        self._undo = undo

    def reseal(self) -> tuple[str, ...]:
        """Take away handlers that libraries put on their own loggers since; returns those loggers' names.

        Call it after loading a library lazily: its own handler would write raw records.
        """
        return _strip(self.handler)

    def follow(self, tap: Callable[[Clean[Record]], None] | None) -> None:
        """Give every redacted record to `tap` as well, or to nobody any more."""
        self.handler.tap = tap

    def count(self, failed: Callable[[int], None] | None) -> None:
        """Tell `failed` of every line that became a tombstone, those of before first; or nobody any more."""
        self.handler.count = failed
        if failed is not None and self.handler.failures:
            failed(self.handler.failures)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """As the function `watch`."""
        watch(loop)

    def undo(self) -> None:
        """Put everything back."""
        self._undo()


def install(redactor: TreeRedactor, level: int | str = logging.INFO, stream: TextIO | None = None) -> Installed:
    """Make every log line of this process redacted JSON on `stream` (stderr when not given).

    Run uvicorn with `log_config=None`, or its own handlers come back; `reseal` after libraries that were loaded later.
    """
    root = logging.getLogger()
    handler = RedactingHandler(redactor, sys.stderr if stream is None else stream)
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    propagated = {name: logging.getLogger(name).propagate for name in _UVICORN}
    root.handlers[:] = [handler]
    root.setLevel(level)
    _strip(handler)
    for name in _UVICORN:
        logging.getLogger(name).propagate = True
    sys.excepthook = _uncaught
    threading.excepthook = _thread_failed
    sys.unraisablehook = _unraisable
    logging.captureWarnings(True)

    def undo() -> None:
        root.handlers[:], root.level = before[0], before[1]
        root.setLevel(before[1])
        sys.excepthook, threading.excepthook, sys.unraisablehook = before[2:]
        for name, propagate in propagated.items():
            logging.getLogger(name).propagate = propagate
        logging.captureWarnings(False)

    return Installed(handler, undo)


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Log, redacted, what tasks of this loop raise and nobody awaits."""
    loop.set_exception_handler(_task_failed)


def use_structlog() -> None:
    """Send structlog's events through the standard library's loggers, and so through the one handler."""
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _strip(kept: logging.Handler) -> tuple[str, ...]:
    stripped = []
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and any(handler is not kept for handler in logger.handlers):
            logger.handlers[:] = [handler for handler in logger.handlers if isinstance(handler, logging.NullHandler)]
            logger.propagate = True
            stripped.append(name)
    logging.root.handlers[:] = [kept]
    return tuple(stripped)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _log.warning("interrupted")
        return
    _log.critical("uncaught exception", exc_info=(kind, error, trace))


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        _log.critical("uncaught exception in a thread", exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback))


def _unraisable(failed: Any) -> None:
    # The object's own text is left out: it may be anything.
    if failed.exc_value is not None:
        _log.error("exception in a finalizer", exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback))


def _task_failed(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    message = str(context.get("message", "the event loop reported a failure"))
    if isinstance(error, BaseException):
        _log.error("%s", message, exc_info=(type(error), error, error.__traceback__))
    else:
        _log.error("%s", message)

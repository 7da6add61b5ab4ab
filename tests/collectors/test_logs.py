from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from collectors.deadline import Deadline
from collectors.logs import Installed, install, use_structlog
from tests.collectors.plain_redactor import FailingRedactor, HangingRedactor, PlainRedactor

CANARY = "canary-7Qk2vX9bLm4T"
pytestmark = pytest.mark.filterwarnings("ignore")


class Talkative:
    def __repr__(self) -> str:
        return CANARY


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logs(stream: io.StringIO) -> Iterator[Installed]:
    installed = install(PlainRedactor(CANARY), "DEBUG", stream)
    yield installed
    installed.undo()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _raise(error: BaseException) -> None:
    raise error


def _chained() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as first:
        raise RuntimeError("second") from first


def _logged_exception() -> None:
    try:
        _chained()
    except RuntimeError:
        logging.getLogger("a.b").exception("failed")


SURFACES = {
    "message": lambda: logging.getLogger("a").info(f"text {CANARY}"),
    "args": lambda: logging.getLogger("a").info("text %s %r", CANARY, Talkative()),
    "dict args": lambda: logging.getLogger("a").info("%(x)s", {"x": CANARY}),
    "extra": lambda: logging.getLogger("a").info("text", extra={"note": CANARY, "deep": {"x": [CANARY, Talkative()]}}),
    "extra key": lambda: logging.getLogger("a").info("text", extra={CANARY: 1}),
    "logger name": lambda: logging.getLogger(f"a.{CANARY}").info("text"),
    "exception": _logged_exception,
    "stack": lambda: logging.getLogger("a").info(CANARY, stack_info=True),
    "bytes": lambda: logging.getLogger("a").info("text", extra={"raw": CANARY.encode()}),
    "uvicorn error": lambda: logging.getLogger("uvicorn.error").error("failed %s", CANARY),
    "structlog": lambda: structlog.get_logger("a").warning(f"event {CANARY}", note=CANARY),
    "level": lambda: logging.getLogger("a").log(33, CANARY),
}


@pytest.mark.parametrize("surface", SURFACES)
def test_no_surface_of_a_log_record_leaks(surface: str, logs: Installed, stream: io.StringIO) -> None:
    use_structlog()
    SURFACES[surface]()
    structlog.reset_defaults()

    assert lines(stream)
    assert CANARY not in stream.getvalue()


def test_uncaught_exceptions_are_redacted(logs: Installed, stream: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        _chained()
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=_raise, args=(ValueError(CANARY),))
    thread.start()
    thread.join()

    written = lines(stream)
    assert [line["event"] for line in written] == ["uncaught exception", "uncaught exception in a thread"]
    assert "RuntimeError" in written[0]["exception"]
    assert CANARY not in stream.getvalue()
    assert CANARY not in "".join(capfd.readouterr())


def test_exceptions_of_finalizers_are_redacted(logs: Installed, stream: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    class Loud:
        def __del__(self) -> None:
            raise ValueError(CANARY)

    # pytest puts a hook of its own around every test; this one is called as the interpreter would.
    sys.unraisablehook(
        type("Failed", (), {"exc_type": ValueError, "exc_value": ValueError(CANARY), "exc_traceback": None, "object": Loud})()
    )
    gc.collect()

    assert lines(stream)[0]["event"] == "exception in a finalizer"
    assert CANARY not in stream.getvalue()
    assert CANARY not in "".join(capfd.readouterr())


async def test_what_a_task_raises_unheard_is_redacted(logs: Installed, stream: io.StringIO) -> None:
    loop = asyncio.get_running_loop()
    logs.watch(loop)
    loop.call_soon(_raise, ValueError(CANARY))
    await asyncio.sleep(0.01)
    loop.set_exception_handler(None)

    assert "ValueError" in next(line["exception"] for line in lines(stream) if "exception" in line)
    assert CANARY not in stream.getvalue()


def test_the_access_log_has_no_query_string(logs: Installed, stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "GET", "/v1/models?key=hidden", "1.1", 200)

    line = lines(stream)[0]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/models", 200)
    assert "hidden" not in stream.getvalue()


@pytest.mark.parametrize("fail", [lambda raw: _raise(ValueError(CANARY)), lambda raw: raw, lambda raw: PlainRedactor().tree([])])
def test_a_record_that_cannot_be_redacted_becomes_a_line_without_text(
    fail: Any, stream: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    installed = install(FailingRedactor(fail), "DEBUG", stream)
    logging.getLogger("a").error(CANARY, extra={"note": CANARY})
    installed.undo()

    assert [(line["event"], line["level"]) for line in lines(stream)] == [("redaction_failed", "error")]
    assert installed.handler.failures == 1
    assert CANARY not in stream.getvalue() + "".join(capfd.readouterr())


def test_a_broken_format_keeps_its_arguments_to_itself(logs: Installed, stream: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    logs.reseal()  # pytest's own handler would raise
    pattern = "%d of %d"
    logging.getLogger("a").info(pattern, CANARY)

    assert lines(stream)[0]["event"] == pattern
    assert CANARY not in stream.getvalue() + "".join(capfd.readouterr())


def test_warnings_are_redacted(stream: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        installed = install(PlainRedactor(CANARY), "DEBUG", stream)
        warnings.warn(CANARY, UserWarning, stacklevel=1)
        installed.undo()

    assert lines(stream)[0]["logger"] == "py.warnings"
    assert CANARY not in stream.getvalue() + "".join(capfd.readouterr())


def test_a_redactor_that_logs_does_not_log_for_ever(stream: io.StringIO) -> None:
    class Chatty(PlainRedactor):
        def tree(self, raw: Any) -> Any:
            logging.getLogger("redactors").warning("found %s", CANARY)
            return super().tree(raw)

    installed = install(Chatty(CANARY), "DEBUG", stream)
    logging.getLogger("a").info("text")
    installed.undo()

    assert [line["event"] for line in lines(stream)] == ["text"]


def test_a_library_that_brings_its_own_handler_loses_it(logs: Installed, stream: io.StringIO) -> None:
    raw = io.StringIO()
    library = logging.getLogger("library.with.handler")
    library.addHandler(logging.StreamHandler(raw))
    library.propagate = False

    assert "library.with.handler" in logs.reseal()
    library.error(CANARY)

    assert raw.getvalue() == ""
    assert len(lines(stream)) == 1


def test_a_closed_stream_breaks_nobody(logs: Installed, stream: io.StringIO) -> None:
    stream.close()
    logging.getLogger("a").info("text")

    assert logs.handler.failures == 1


def test_odd_values_are_written(logs: Installed, stream: io.StringIO) -> None:
    extra = {"big": 2**80, "nan": float("nan"), "surrogate": "a\ud800", "set": {1}, "none": None, 5: "five"}
    logging.getLogger("a").info("text", extra=extra)  # type: ignore[arg-type]

    assert lines(stream)[0]["big"] == str(2**80)


def test_undo_puts_everything_back(stream: io.StringIO) -> None:
    before = (list(logging.root.handlers), logging.root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    install(PlainRedactor(), "DEBUG", stream).undo()

    assert before == (list(logging.root.handlers), logging.root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)


def test_a_redactor_that_hangs_costs_lines_their_text_and_lets_who_logs_go_on(stream: io.StringIO) -> None:
    hanging, counted = HangingRedactor(), list[int]()
    installed = install(Deadline(hanging, seconds=0.05, workers=2, inline_chars=0), "DEBUG", stream)
    try:
        logging.getLogger("app").warning("before anybody counts %s", CANARY)
        installed.count(counted.append)
        for _ in range(3):
            logging.getLogger("app").warning("what hangs %s", CANARY)
    finally:
        hanging.released.set()
        installed.undo()
    assert [line["event"] for line in lines(stream)] == ["redaction_failed"] * 4
    assert CANARY not in stream.getvalue()
    assert counted == [1, 1, 1, 1]


def test_a_redactor_on_another_thread_that_logs_neither_comes_back_nor_waits_for_who_waits_for_it(stream: io.StringIO) -> None:
    class Logging(PlainRedactor):
        def tree(self, raw: Any) -> Any:
            logging.getLogger("redactors").warning("a word of the redactor")
            return super().tree(raw)

    installed = install(Deadline(Logging(CANARY), seconds=30, inline_chars=0), "DEBUG", stream)
    try:
        logging.getLogger("app").warning("a line with %s", CANARY)
    finally:
        installed.undo()
    assert [line["event"] for line in lines(stream)] == ["a line with [gone]"]

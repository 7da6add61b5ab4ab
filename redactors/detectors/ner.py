"""Names, places and the like by a model: asked once for all texts of a value, in a bounded number of processes, with a deadline.

What is read: texts of more than one word (a single ASCII word is a role, an id or a field's name, about which models only guess). What
was read before is remembered by a keyed digest, because a conversation sends its whole history every time. What is found must look
like a name and not like code, since models take identifiers for names.
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

from redactors.detectors.ner_process import Clock, Located, ModelProcess
from redactors.detectors.ner_spec import NerSpec, label_of
from redactors.detectors.recognizer import RecognitionError
from redactors.detectors.subject import Label
from redactors.model import Finding, RedactionError

OnFailure = Literal["block", "skip"]

UNIT: Final = 20_000
"""Characters that a deadline is for; a longer value has so many deadlines."""

LOAD_S: Final = 120.0
"""Seconds that loading may take: large models are read from disk, and their libraries are imported."""

RETRY_S: Final = 5.0
"""Seconds between two attempts to start a process whose models did not load."""

_REMEMBERED: Final = 8_192
_PART: Final = re.compile(r"[^\r\n\t(){}\[\]*`\":;“”„«»]+")
_CODE: Final = re.compile(r"[\\_<>=/@|#$%+~^]|\.[a-z]")
_EDGES: Final = " .,!?'’-"
_POSSESSIVE: Final = ("'s", "’s")
_PARTED: Final = re.compile(r"\S\s+\S")


class NerDetector:
    """A recognizer of named entities over models on disk. Safe for several threads at once; closed when nobody holds it any more.

    At most `workers` processes read at a time; whoever finds them all busy waits. When a value of up to `UNIT` characters is not read
    `deadline_s` seconds after it was asked about, or a process dies, that process is killed and started again, and `on_failure`
    decides: `block` raises RecognitionError, so that the value does not leave; `skip` goes on without names, and says so to `skipped`.
    A value of more than `max_chars` characters is not read: a RedactionError, or `skip` likewise.
    """

    def __init__(
        self,
        spec: NerSpec,
        *,
        workers: int = 1,
        deadline_s: float = 2.0,
        max_chars: int = 400_000,
        on_failure: OnFailure = "block",
        skipped: Callable[[], object] = tuple,
        clock: Clock = time.monotonic,
        key: bytes | None = None,
    ) -> None:
        self.settings = (spec.plain(), workers, deadline_s, max_chars, on_failure)
        self._deadline_s = deadline_s
        self._max_chars = max_chars
        self._on_failure = on_failure
        self._skipped = skipped
        self._clock = clock
        self._read = _Memory(os.urandom(32) if key is None else key)
        self._labels = {entity: label_of(entity) for entity in spec.entities}
        self._crew = _Crew(spec, workers, clock)
        self._end = weakref.finalize(self, self._crew.close)

    @property
    def labels(self) -> tuple[Label, ...]:
        """What it can report."""
        return tuple(self._labels.values())

    def open(self) -> None:
        """Start every process and wait until its models are loaded. Raises RedactionError when one of them does not load."""
        self._crew.open()

    def close(self) -> None:
        """End the processes; a value that is being read fails."""
        self._end()

    def find(self, text: str) -> Sequence[Finding]:
        """The findings of one text; see `find_all`."""
        return self.find_all([text])[0]

    def find_all(self, texts: Sequence[str]) -> list[Sequence[Finding]]:
        """The findings of each text. Raises RecognitionError, or RedactionError for more text than may be read, unless it skips."""
        found: list[Sequence[Finding]] = [()] * len(texts)
        unread: dict[bytes, list[int]] = {}
        for index, text in enumerate(texts):
            if is_prose(text):
                digest = self._read.digest(text)
                known = self._read.get(digest)
                if known is None:
                    unread.setdefault(digest, []).append(index)
                else:
                    found[index] = known
        if unread:
            try:
                fresh = self._recognize([texts[indices[0]] for indices in unread.values()])
            except RedactionError:
                if self._on_failure == "block":
                    raise
                self._skipped()
                return found
            for (digest, indices), findings in zip(unread.items(), fresh, strict=True):
                self._read.put(digest, findings)
                for index in indices:
                    found[index] = findings
        return found

    def _recognize(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        total = sum(map(len, texts))
        if total > self._max_chars:
            raise RedactionError(f"more than {self._max_chars} characters are not read for named entities")
        until = self._clock() + self._deadline_s * (1 + total // UNIT)
        with self._crew.member(until) as process:
            located = process.find(texts, until)
        return [self._findings(text, one) for text, one in zip(texts, located, strict=True)]

    def _findings(self, text: str, located: Sequence[Located]) -> tuple[Finding, ...]:
        """Entities as findings: line by line, without what stands around them, and without what looks like code."""
        found = []
        for start, end, entity in located:
            label = self._labels.get(entity)
            if label is None:
                continue
            for part in _PART.finditer(text, start, end):
                value = part.group().rstrip(_EDGES)
                if value.endswith(_POSSESSIVE):
                    value = value[:-2]
                begin = part.start() + len(value) - len(value.lstrip(_EDGES))
                value = value.strip(_EDGES)
                if _is_said(value, entity):
                    found.append(Finding(begin, begin + len(value), label.rule, label.kind, label.detector))
        return tuple(found)


def _is_said(value: str, entity: str) -> bool:
    """Whether this is something that people say, and no identifier, path or operator."""
    if entity == "DATE_TIME":
        return any(map(str.isalnum, value))
    return any(map(str.isalpha, value)) and not _CODE.search(value)


def is_prose(text: str) -> bool:
    """Whether a text has more than one word, or letters of a script that may not part its words."""
    return _PARTED.search(text) is not None or not text.isascii()


class _Memory:
    """What was found in texts that were read, by keyed digest: no text is kept, and the digests tell nothing without the key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._found: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()

    def digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()

    def get(self, digest: bytes) -> tuple[Finding, ...] | None:
        with self._lock:
            found = self._found.get(digest)
            if found is not None:
                self._found.move_to_end(digest)
            return found

    def put(self, digest: bytes, found: tuple[Finding, ...]) -> None:
        with self._lock:
            self._found[digest] = found
            if len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)


class _Crew:
    """The processes of a detector: who takes one has it alone, and whoever breaks one leaves its place to a new one."""

    def __init__(self, spec: NerSpec, size: int, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._lock = threading.Lock()
        self._alive: set[ModelProcess] = set()
        self._closed = threading.Event()
        self._idle: queue.LifoQueue[ModelProcess | None] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(None)

    def open(self) -> None:
        taken: list[ModelProcess | None] = [self._idle.get() for _ in range(self._idle.qsize())]
        try:
            # All of them load at the same time.
            for place, process in enumerate(taken):
                taken[place] = process or self._start()
            for process in taken:
                if process is not None:
                    process.wait_until_ready(self._clock() + LOAD_S)
        except RedactionError:
            self.close()
            raise
        finally:
            for process in taken:
                self._idle.put(process)

    @contextmanager
    def member(self, until: float) -> Iterator[ModelProcess]:
        """A process with its models loaded. Raises RecognitionError when none is free by then, or none runs."""
        try:
            process = self._idle.get(timeout=max(until - self._clock(), 0.001))
        except queue.Empty:
            raise RecognitionError("named entities were not recognized: all workers are busy") from None
        if process is None:
            self._replace()
            raise RecognitionError("named entities were not recognized: the models are being loaded")
        whole = False
        try:
            yield process
            whole = True
        except RecognitionError:
            whole = not process.lost
            raise
        finally:
            if whole:
                self._idle.put(process)
            else:
                self._drop(process)
                self._replace()

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            alive = tuple(self._alive)
            self._alive.clear()
        for process in alive:
            process.end()

    def _start(self) -> ModelProcess:
        process = ModelProcess(self._spec, self._clock)
        with self._lock:
            if not self._closed.is_set():
                self._alive.add(process)
                return process
        process.kill()
        raise RecognitionError("named entities were not recognized: the detector is closed")

    def _drop(self, process: ModelProcess) -> None:
        with self._lock:
            self._alive.discard(process)
        process.kill()

    def _replace(self) -> None:
        """Start another process beside, so that no value waits for its models; its place stays taken until it is ready."""
        if not self._closed.is_set():
            threading.Thread(target=self._renew, name="lockgate-ner-start", daemon=True).start()

    def _renew(self) -> None:
        process: ModelProcess | None = None
        try:
            process = self._start()
            process.wait_until_ready(self._clock() + LOAD_S)
        except RedactionError:
            if process is not None:
                self._drop(process)
                process = None
            self._closed.wait(RETRY_S)
        finally:
            self._idle.put(process)

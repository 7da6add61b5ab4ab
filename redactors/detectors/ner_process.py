"""One process with the models for named entities, seen from the gateway: started, asked with a deadline, killed when it passes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from redactors.detectors.ner_spec import NerSpec
from redactors.detectors.ner_worker import receive, send
from redactors.detectors.recognizer import RecognitionError

Clock = Callable[[], float]
"""Seconds that only go forward, such as `time.monotonic`."""

Located = tuple[int, int, str]
"""An entity: start and end in code points, and Presidio's name for what it is."""

_SPEC_S: Final = 10.0


class ModelProcess:
    """A worker process. A process and not a thread, because a model holds the interpreter's lock, and a thread that hangs cannot be ended.

    It gets no environment but what libraries need to stay offline, and its output goes nowhere. Used by one thread at a time.
    """

    def __init__(self, spec: NerSpec, clock: Clock) -> None:
        self._clock = clock
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "redactors.detectors.ner_worker"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                )
            except OSError:
                ours.close()
                raise RecognitionError("the process for named entities could not be started") from None
        self._channel = ours
        self._ready = False
        self.lost = False
        self._send(spec.plain(), clock() + _SPEC_S)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until_ready(self, until: float) -> None:
        """Wait until the models are loaded. Raises RecognitionError, which says why by a class, when they are not by then."""
        if not self._ready:
            self._answer(until)
            self._ready = True

    def find(self, texts: Sequence[str], until: float) -> list[list[Located]]:
        """The entities of each text. Raises RecognitionError; the process is `lost` unless only the model failed."""
        self.wait_until_ready(until)
        self._send(list(texts), until)
        found = self._answer(until).get("found")
        if not isinstance(found, list) or len(found) != len(texts):
            self.kill()
            raise RecognitionError("named entities were not recognized: the model's process gave a wrong answer")
        return [[(int(start), int(end), str(entity)) for start, end, entity in one] for one in found]

    def kill(self) -> None:
        """End it at once, whatever it does, and give its socket back; for the thread that uses it."""
        self.lost = True
        self.end()
        self._channel.close()

    def end(self) -> None:
        """End it at once, from any thread: who waits for its answer then learns that it is gone."""
        self._process.kill()
        self._process.wait()

    def _send(self, value: Any, until: float) -> None:
        try:
            self._channel.settimeout(max(until - self._clock(), 0.001))
            send(self._channel, value)
        except OSError as error:
            raise self._lost(error) from None

    def _answer(self, until: float) -> dict[str, Any]:
        try:
            answer = receive(self._channel, lambda: until - self._clock())
        except (OSError, ValueError) as error:
            raise self._lost(error) from None
        if not isinstance(answer, dict):
            raise self._lost(ConnectionResetError())
        if "error" in answer:
            self.lost = not self._ready
            raise RecognitionError(f"named entities were not recognized: {answer['error']}")
        return answer

    def _lost(self, error: Exception) -> RecognitionError:
        self.kill()
        if isinstance(error, TimeoutError):
            return RecognitionError("named entities were not recognized in time")
        return RecognitionError("named entities were not recognized: the model's process ended")


def _environment() -> dict[str, str]:
    """What the process may know: where the code is, and that nothing is to be fetched. No secret of the gateway's environment."""
    return {
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }

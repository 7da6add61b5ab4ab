"""The speed table of redaction: Lockgate beside its peers and the memory floor, in one run.

    python -m tests.benchmarks.redactor_peers [--seed N] [--deadline S] [--turns N] [--only NAME …]

Each contender is a process in its own environment and they take turns (A B C A B C). CPU time, least of several rounds. A peer whose
environment is not installed (`make peers`, `make evaluation`) is named as left out. A hostile text that takes longer than the deadline
ends its process. Times depend on the machine, ratios do not: to the floor (one `bytes.find` over the text) and to Lockgate.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import secrets
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from pipeline.bootstrap.rules_cache import installed_cache, open_rules
from redactors import build_redactor
from redactors.rules.catalog import all_rules
from tests.benchmarks.redactor_contender import least
from tests.benchmarks.redactor_speed import stream_times
from tests.benchmarks.texts import HOSTILE, benign, dense, hostile, telling

ROOT: Final = Path(__file__).resolve().parents[2]
_SCRIPT: Final = Path(__file__).with_name("redactor_contender.py")
_PLENTY_S: Final = 600.0
_KINGFISHER_BYTES: Final = 20_000_000
OURS: Final = "Lockgate"
RULES: Final = "Lockgate, rules alone"
_REFERENCE_US: Final = {2_048: 1.0, 100_000: 42.0}
"""The floor on the machine for which the targets were set."""


class TooLong(Exception):
    """A contender did not answer before its deadline."""


@dataclass(slots=True)
class Contender:
    """A redactor in a process of its own, which is started when it is first asked and again after it was too slow."""

    name: str
    command: Sequence[str]
    started: list[Mapping[str, float]] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        """The running process."""
        if self._process is None:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
            )
            self.started.append(self._answer(_PLENTY_S))
        return self._process

    def ask(self, texts: Sequence[str], *, seconds: float, rounds: int, deadline: float = _PLENTY_S) -> Mapping[str, Any]:
        """Microseconds of each text (`us`), and the memory afterwards (`mib`). Raises TooLong."""
        process = self.start()
        assert process.stdin is not None
        process.stdin.write(json.dumps({"texts": texts, "seconds": seconds, "rounds": rounds}) + "\n")
        process.stdin.flush()
        return self._answer(deadline)

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _answer(self, deadline: float) -> Mapping[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], deadline)[0]:
            self.stop()
            raise TooLong
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError(f"{self.name} ended")
        answer: Mapping[str, Any] = json.loads(line)
        return answer


def _python(environment: str) -> Path | None:
    home = ROOT / environment
    return home / "bin" / "python" if (home / ".installed").exists() else None


def contenders(cache: Path) -> tuple[list[Contender], list[str]]:
    """Lockgate and the peers that are installed, and the names of the others."""
    found = [
        Contender(OURS, [sys.executable, str(_SCRIPT), "lockgate", str(cache)]),
        Contender(RULES, [sys.executable, str(_SCRIPT), "lockgate-rules", str(cache)]),
    ]
    library = next(ROOT.glob(".venv-peer-redaction-detect-secrets/lib/python*/site-packages"), None)
    peers = (
        ("LiteLLM content filter", ".venv-peer-litellm", ["litellm-content-filter"]),
        ("LiteLLM hide-secrets", ".venv-peer-litellm", ["litellm-hide-secrets", str(library)] if library else None),
        ("DataFog", ".venv-peer-redaction-datafog", ["datafog"]),
        ("Presidio no_op", ".venv-peer-redaction-presidio", ["presidio"]),
        ("detect-secrets", ".venv-peer-redaction-detect-secrets", ["detect-secrets"]),
    )
    left_out = []
    for name, environment, arguments in peers:
        python = _python(environment)
        if python is None or arguments is None:
            left_out.append(name)
        else:
            found.append(Contender(name, [str(python), str(_SCRIPT), *arguments]))
    return found, left_out


class Kingfisher:
    """kingfisher over files, one thread. Its start takes seconds, so only what more files take is counted."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._start = min(self._scan(["nothing to see here"], 1) for _ in range(2))

    def each(self, texts: Sequence[str]) -> float:
        """Microseconds of CPU for each text; 0 when that is less than its start varies by."""
        files = max(100, _KINGFISHER_BYTES // len(texts[0]))
        return max(0.0, self._scan(texts, files) - self._start) / files * 1e6

    def _scan(self, texts: Sequence[str], files: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(files):
                Path(folder, f"{number}.txt").write_text(f"{texts[number % len(texts)]}\n{number}\n")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            options = ["--jobs", "1", "--no-validate", "--no-update-check", "--no-dedup", "--git-history", "none"]
            environment = {"HOME": folder, "PATH": "/usr/bin:/bin"}
            subprocess.run([str(self._program), "scan", folder, *options], capture_output=True, check=False, env=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def floor(text: str) -> float:
    """One memory pass over a text: the least that any redactor must do."""
    data = text.encode()
    return least(lambda _: data.find(b"\xff\xfe\xfd\xfc"), text, 0.02, 5)


def _shown(us: float) -> str:
    return f"{us:.3g} µs" if us < 1_000 else f"{us / 1_000:.3g} ms" if us < 1e6 else f"{us / 1e6:.3g} s"


def _row(name: str, lowest: float, figures: Mapping[str, float], names: Sequence[str]) -> str:
    ours = figures[OURS]
    cells = [f"{_shown(figures[one])} ({figures[one] / ours:.3g}×)" if one in figures else "–" for one in names if one != OURS]
    return f"| {name} | {_shown(lowest)} | {_shown(ours)} ({ours / lowest:.3g} floors) | " + " | ".join(cells) + " |"


def typical(every: Sequence[Contender], rng: Random, turns: int, files: Kingfisher | None) -> Iterator[str]:
    """The rows of ordinary texts."""
    names = [*(one.name for one in every), "kingfisher (files)"]
    for label, draw in (("benign", benign), ("dense in key words", dense), ("a secret in every third sentence", telling)):
        for size, count, seconds in ((2_048, 24, 0.01), (100_000, 3, 0.2)):
            texts = [draw(rng, size) for _ in range(count)]
            times: dict[str, list[list[float]]] = {}
            for _ in range(turns):
                for one in every:
                    times.setdefault(one.name, []).append(one.ask(texts, seconds=seconds, rounds=3)["us"])
            best = {name: [min(turn) for turn in zip(*given, strict=True)] for name, given in times.items()}
            figures = {name: median(given) for name, given in best.items()}
            if files is not None and draw is benign:
                figures["kingfisher (files)"] = files.each(texts)
            kind = "2 KB" if size == 2_048 else "100 KB"
            yield _row(f"{label}, {kind}, p50", floor(texts[0]), figures, names)
            if size == 2_048:
                yield _row(
                    f"{label}, {kind}, slowest of {count}", floor(texts[0]), {name: max(given) for name, given in best.items()}, names
                )


def worst(one: Contender, size: int, units: Sequence[str], deadline: float) -> tuple[list[tuple[float, str]], str]:
    """What each hostile unit takes, slowest first, and the unit at which the deadline ended the asking."""
    found = []
    for name in units:
        try:
            answer = one.ask([hostile(HOSTILE[name], size)], seconds=0.05, rounds=2, deadline=deadline)
        except TooLong:
            return sorted(found, reverse=True), name
        found.append((answer["us"][0], name))
    return sorted(found, reverse=True), ""


def stubborn(every: Sequence[Contender], deadline: float) -> Iterator[str]:
    """The rows of hostile texts: each contender's own worst."""
    order = {one.name: list(HOSTILE) for one in every}
    for size in (20_000, 100_000):
        cells = []
        for one in every:
            if one.name == RULES:
                cells.append("–")
                continue
            units = order[one.name] if size == 20_000 or one.name == OURS else order[one.name][:5]
            found, ended = worst(one, size, units, deadline)
            if ended:
                cells.append(f"> {deadline:g} s ({ended})")
                order[one.name] = [ended]
            else:
                cells.append(f"{_shown(found[0][0])} ({found[0][1]})")
                order[one.name] = [name for _, name in found]
        lowest = floor(hostile("1.2.", size))
        yield f"| worst hostile text, {size // 1000} KB | {_shown(lowest)} | " + " | ".join(cells) + " | – |"


def streams(cache: Path, rng: Random) -> Iterator[str]:
    """Lockgate's streams; none of the peers redacts a stream piece by piece."""
    redactor = build_redactor(cache=cache.read_bytes())
    text = benign(rng, 60_000)
    for size in (4, 20):
        took, held, most = stream_times(redactor, [text[at : at + size] for at in range(0, len(text), size)])
        yield f"stream, chunks of {size:2} characters: {took:.2f} µs a chunk, held back {held:.1f} characters on average, {most} at most"


def starts(every: Sequence[Contender], memory: Mapping[str, float]) -> Iterator[str]:
    """What a start takes, imports included, the interpreter's own not; memory then, and after all texts."""
    for one in every:
        least_ms = min(started["ms"] for started in one.started)
        at_start = min(started["mib"] for started in one.started)
        yield f"| {one.name} | {least_ms:.0f} ms | {at_start:.0f} MiB | {memory.get(one.name, 0):.0f} MiB |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.redactor_peers")
    parser.add_argument("--seed", type=int, default=None, help="draw the same texts again")
    parser.add_argument("--deadline", type=float, default=15.0, help="seconds that a hostile text may take")
    parser.add_argument("--turns", type=int, default=2, help="how often each contender is asked about the same texts")
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME", help="peers whose names contain one of these")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**9)
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        cache = Path(folder, "rules.db")
        cache.write_bytes(open_rules(cache, installed_cache()).dump())
        every, left_out = contenders(cache)
        if options.only is not None:
            every = [one for one in every if one.name in (OURS, RULES) or any(part in one.name for part in options.only)]
        for one in every:
            ends.callback(one.stop)
        for _ in range(options.turns):
            for one in every:
                one.stop()
                one.ask([telling(rng, 2_048)], seconds=0.0, rounds=1)  # loads what is loaded with the first finding
        python = _python(".venv-peer-redaction-kingfisher")
        files = Kingfisher(python.with_name("kingfisher")) if python is not None and options.only is None else None
        print(f"seed {seed}; {len(all_rules())} rules, 1,000 live secrets, 200 fuzzy terms; cache of {cache.stat().st_size >> 10} KiB")
        print("left out: " + (", ".join(left_out + ["kingfisher"] * (files is None)) or "nobody"))
        for size, there in _REFERENCE_US.items():
            here = floor(benign(rng, size))
            print(f"floor, {size} bytes: {here:.2f} µs, {here / there:.2f} times the machine's for which the targets were set")
        names = [one.name for one in every]
        print("\n| | floor | " + " | ".join([*names, "kingfisher (files)"]) + " |")
        print("|---|---|" + "---|" * (len(names) + 1))
        for row in typical(every, rng, options.turns, files):
            print(row, flush=True)
        memory = {one.name: one.ask([benign(rng, 2_048)], seconds=0.0, rounds=1)["mib"] for one in every}
        for row in stubborn(every, options.deadline):
            print(row, flush=True)
        print()
        for row in streams(cache, rng):
            print(row, flush=True)
        print("\n| start | CPU | memory | memory after the texts above |\n|---|---|---|---|")
        for row in starts(every, memory):
            print(row, flush=True)


if __name__ == "__main__":
    main()

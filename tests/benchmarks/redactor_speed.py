"""How fast the redactor is, beside the memory floor: microseconds per text, per tree, per chunk.

Run as `python -m tests.benchmarks.redactor_speed`.

CPU time of this process, best of several rounds, so that a busy machine disturbs it little.
"""

from __future__ import annotations

import argparse
import re
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import mean, median

from redactors import KnownSecrets, Redactor, build_redactor, compile_patterns
from redactors.rules.catalog import all_rules
from tests import planted
from tests.benchmarks.texts import benign, dense, prose, telling, wordy

_TOKENS = re.compile(r" ?\w{1,9}|\s+|[^\w\s]{1,2}")
"""About what a model writes at once: a word with its blank, a few marks."""

_HOSTILE = {
    "digits and dots": "1.2.",
    "one letter": "a",
    "quotes": '"',
    "password=": "password=",
    "escapes": "\\u0041",
    "base64": "QUJD",
    "empty lines": "\n",
    "prefixes": "sk-",
    "zero width": "a\u200b",
}


def best(work: Callable[[], object], *, rounds: int = 7, seconds: float = 0.05) -> float:
    """Microseconds of CPU per call, the best round."""
    work()
    start = time.process_time()
    work()
    count = max(1, int(seconds / max(time.process_time() - start, 1e-6)))
    found = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(count):
            work()
        found.append((time.process_time() - start) / count * 1e6)
    return min(found)


def body(rng: Random) -> dict[str, object]:
    """A chat request of about 1.2 KB."""
    return {
        "model": "gpt-5-mini",
        "temperature": 0.2,
        "stream": True,
        "messages": [{"role": "system", "content": prose(rng, 400)}, {"role": "user", "content": prose(rng, 500)}],
        "tools": [
            {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}}
        ],
        "user": "analytics",
    }


def stream_times(redactor: Redactor, pieces: Sequence[str]) -> tuple[float, float, int]:
    """Mean microseconds per chunk in the best of five rounds, mean and greatest number of characters held back."""
    found = []
    for _ in range(5):
        stream = redactor.stream()
        start = time.process_time()
        for piece in pieces:
            stream.feed(piece)
        stream.close()
        found.append((time.process_time() - start) / len(pieces) * 1e6)
    held: list[int] = []
    stream = redactor.stream()
    for piece in pieces:
        stream.feed(piece)
        held.append(stream.held)
    return min(found), mean(held), max(held)


def streams(redactor: Redactor, rng: Random) -> None:
    """The rows of streams: prose in chunks of a size, and prose and Markdown in the pieces that models write."""
    text = prose(rng, 40_000)
    cut = {f"of {size}": [text[at : at + size] for at in range(0, len(text), size)] for size in (4, 20)}
    cut["of a word"] = _TOKENS.findall(text)
    cut["of Markdown"] = _TOKENS.findall(Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8"))
    cut["with key words"] = _TOKENS.findall(wordy(rng, 10_000))
    for name, pieces in cut.items():
        took, held, most = stream_times(redactor, pieces)
        print(f"stream, chunks {name:14} mean {took:8.1f} us   held back: mean {held:.1f}, most {most}")


def texts_line(name: str, redactor: Redactor, texts: Sequence[str]) -> None:
    times = [best(lambda text=text: redactor.text(text), rounds=5, seconds=0.01) for text in texts]  # type: ignore[misc]
    floor = best(lambda: texts[0].encode().find(b"\xff\xfe\xfd\xfc"))
    times.sort()
    print(
        f"{name:28} p50 {median(times):9.1f} us   p99 {times[min(len(times) - 1, int(len(times) * 0.99))]:9.1f} us   floor {floor:7.2f} us"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=["hyperscan", "fallback"], default=None)
    parser.add_argument("--seed", type=int, default=1, help="draw other texts")
    options = parser.parse_args()
    rng = Random(options.seed)
    start = time.process_time()
    patterns = compile_patterns(all_rules(), engine=options.engine)
    compiled = time.process_time() - start
    cache = patterns.dump()
    start = time.process_time()
    if cache:
        patterns = compile_patterns(all_rules(), cache=cache)
    cached = time.process_time() - start
    known = KnownSecrets(planted.secret("virtual_key", rng) for _ in range(1000))
    redactor = build_redactor(
        known, [{"term": f"project {prose(rng, 9)}x{n}", "max_distance": 1} for n in range(200)], pattern_set=patterns
    )
    plain = build_redactor(known, pattern_set=patterns)
    print(f"seed {options.seed}; {len(all_rules())} rules, 1,000 live secrets, 200 fuzzy terms")
    print(f"compiled in {compiled:.2f} s, from cache in {cached * 1000:.1f} ms, cache of {len(cache) >> 10} KiB")
    for name, size, count in (("2 KB", 2048, 40), ("100 KB", 100_000, 3)):
        texts_line(f"benign {name}", redactor, [benign(rng, size) for _ in range(count)])
        texts_line(f"benign {name}, no terms", plain, [benign(rng, size) for _ in range(count)])
        texts_line(f"prose {name}", redactor, [prose(rng, size) for _ in range(count)])
        texts_line(f"prose with key words, {name}", redactor, [wordy(rng, size) for _ in range(count)])
        texts_line(f"dense in key words, {name}", redactor, [dense(rng, size) for _ in range(count)])
        texts_line(f"a secret a line, {name}", redactor, [telling(rng, size) for _ in range(count)])
    request = body(rng)
    print(f"{'tree of 1.2 KB, benign':28} p50 {best(lambda: plain.tree(request)):9.1f} us")
    streams(plain, rng)
    wire = prose(rng, 2048).encode()
    print(f"{'last look over 2 KB':28} p50 {best(lambda: known.contains(wire)):9.1f} us")
    for name, unit in _HOSTILE.items():
        half, whole = (unit * (size // len(unit)) for size in (50_000, 100_000))
        one, two = (best(lambda text=text: plain.text(text), rounds=2, seconds=0.01) for text in (half, whole))  # type: ignore[misc]
        print(f"hostile 100 KB: {name:16} {two / 1000:8.2f} ms   t(2n)/t(n) {two / one:4.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()

"""How long hostile and long texts keep every other thread waiting while they are redacted, and how fast they are.

Run as `python -m tests.benchmarks.redactor_stalls`.

A watcher wakes up every millisecond; between two of its wakes only the redacting thread ran. What that burned meanwhile, in CPU time, is
how long an event loop would have stood still; the time that other processes took is not in it. What is loaded is kept out of the rounds of
the garbage collector, as in a running gateway.
"""

from __future__ import annotations

import argparse
import base64
import threading
import time
from collections.abc import Callable
from random import Random

from pipeline.bootstrap.upkeep import keep_what_is_loaded
from redactors import KnownSecrets, build_redactor, compile_patterns
from redactors.rules.catalog import all_rules
from tests import planted
from tests.benchmarks.texts import prose, telling, wordy

UNITS = {
    "backslashes": "\\",
    "one letter": "a",
    "encoded": "QUJDREVGR0hJSktM",
    "passwords": 'password="x',
    "key names": "password=",
    "addresses": "https://a:b@c ",
    "mail": "a@b.co ",
    "escapes": "\\u0041",
    "percent": "%41",
    "zero width": "a\u200b",
    "look-alikes": "а",
    "digits and dots": "1.2.",
    "prefixes": "sk-",
}


def stalls(work: Callable[[], object]) -> tuple[float, float, int]:
    """Seconds of CPU of the whole work, the longest wait of another thread, and how many waits were over 20 ms."""
    waits: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        last = time.process_time()
        while not ended.is_set():
            time.sleep(0.001)
            now = time.process_time()
            waits.append(now - last)
            last = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.process_time()
    work()
    took = time.process_time() - start
    ended.set()
    watcher.join()
    return took, max(waits), sum(wait > 0.02 for wait in waits)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=float, default=4.0)
    size = int(parser.parse_args().megabytes * 1_000_000)
    rng = Random(1)
    known = KnownSecrets(planted.secret("virtual_key", rng) for _ in range(1000))
    redactor = build_redactor(known, [{"term": "project zeppelin", "max_distance": 1}], pattern_set=compile_patterns(all_rules()))
    texts = {name: unit * (size // len(unit)) for name, unit in UNITS.items()}
    texts["random base64"] = base64.b64encode(rng.randbytes(size * 3 // 4)).decode()
    texts["prose"] = prose(rng, 100_000) * (size // 100_000)
    texts["key words"] = wordy(rng, 100_000) * (size // 100_000)
    texts["a secret a line"] = telling(rng, 100_000) * (size // 100_000)
    redactor.text(telling(rng, 100_000))
    keep_what_is_loaded()
    for name, text in texts.items():
        took, longest, many = stalls(lambda text=text: redactor.tree({"content": text}))  # type: ignore[misc]
        print(f"{name:18} {took:7.2f} s   {took / len(text) * 1e8:7.1f} ms per 100 KB   longest wait {longest * 1e3:4.0f} ms, {many} > 20")


if __name__ == "__main__":
    main()

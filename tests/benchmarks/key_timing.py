"""Whether the time of a refusal tells how near a guess came to a key: Welch's t over near and far misses, interleaved at random.

Run as `python -m tests.benchmarks.key_timing [--rounds N]`. A near miss is a stored key with its last character changed, a far miss has
nothing in common with any. The slowest tenth of each is left out (the machine's own noise). |t| below 4.5 is dudect's bound for "no
difference can be told" (Reparaz, Balasch, Verbauwhede 2017); a second look decides, because one in many honest runs is beyond it.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from os import urandom
from random import Random

from sqlalchemy import create_engine

from pipeline import ids
from pipeline.clock import SystemClock
from pipeline.errors import KeyRejected
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.failures import FailureLimit
from pipeline.keys.pepper import make_peppers
from pipeline.keys.requests import NewKey, NewWorkspace
from pipeline.keys.store import create_key
from pipeline.keys.workspaces import create_workspace
from pipeline.store.tables import metadata

BOUND = 4.5
KEYS = 1_000
KEPT = 0.9


def stood(folder: str) -> tuple[Authenticator, list[str]]:
    """An authenticator that knows a thousand keys, and their tokens."""
    engine, clock, peppers = create_engine(f"sqlite:///{folder}/keys.db"), SystemClock(), make_peppers(urandom)
    metadata.create_all(engine)
    tokens = [ids.token("lgk") for _ in range(KEYS)]
    with engine.connect() as connection:
        now_us = clock.now_us()
        create_workspace(connection, NewWorkspace("default"), now_us=now_us)
        for token in tokens:
            create_key(connection, peppers, token, NewKey(), key_id=ids.ulid(now_us), now_us=now_us, created_by="benchmark")
        connection.commit()
    authenticator = Authenticator(engine, peppers, clock, failures=FailureLimit(clock, limit=1 << 60))
    authenticator.refresh()
    return authenticator, tokens


def refused_in(authenticator: Authenticator, token: str) -> int:
    """Nanoseconds until a token was refused."""
    began = time.perf_counter_ns()
    try:
        authenticator.authenticate(token, "192.0.2.1")
    except KeyRejected:
        return time.perf_counter_ns() - began
    raise AssertionError("a miss was let in")


def welch(one: Sequence[int], other: Sequence[int]) -> float:
    """Welch's t of two samples: the difference of their means in standard errors."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(spread)


def measured(authenticator: Authenticator, tokens: Sequence[str], rounds: int, random: Random) -> float:
    """The t of so many near and far misses each."""
    near = [token[:-1] + ("0" if token[-1] != "0" else "1") for token in random.choices(tokens, k=rounds)]
    far = [ids.token("lgk") for _ in range(rounds)]
    guesses = [(kind, guess) for kind, made in enumerate((near, far)) for guess in made]
    random.shuffle(guesses)
    times: tuple[list[int], list[int]] = ([], [])
    gc.disable()
    for kind, guess in guesses:
        times[kind].append(refused_in(authenticator, guess))
    gc.enable()
    kept = [sorted(each)[: int(len(each) * KEPT)] for each in times]
    t = welch(kept[0], kept[1])
    print(f"near {statistics.fmean(kept[0]):.0f} ns, far {statistics.fmean(kept[1]):.0f} ns, {rounds} each: t = {t:+.2f} (bound {BOUND})")
    return t


def main() -> None:
    """Look, and look again where the first look is beyond the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        authenticator, tokens = stood(folder)
        random = Random(1)
        measured(authenticator, tokens, rounds // 10, random)  # warm
        if abs(measured(authenticator, tokens, rounds, random)) >= BOUND and abs(measured(authenticator, tokens, rounds, random)) >= BOUND:
            sys.exit("near misses can be told from far ones")


if __name__ == "__main__":
    main()

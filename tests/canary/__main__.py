"""The canary matrix as a table: `python -m tests.canary` (or `make canary`) counts surfaces that leak, for Lockgate and for other ways.

Every way is told exactly which words are canaries; Lockgate is told none but the live secrets and has to find the rest. Ends with 1 when
Lockgate leaks.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from redactors import build_redactor
from tests.canary.cells import SIGNAL_OF, SURFACES, cells, found, live_values, surfaces_of
from tests.canary.house import ALLOW_ALL, CALLER, Walked, walked
from tests.canary.peers import SIGNALS, WAYS, Way, is_installed, leaking, surfaces_for
from tests.canary.sealed import Sealed
from tests.compiled import compiled_patterns
from tests.walks.rig import MASK_ALL

SEED = 20261121
SEALED = Way("sealed", "**Lockgate, in its own process**", ("traces", "logs"))
RECEIVER = Way("receiver", "**Lockgate, as receiver**", SIGNALS)
EXPORTED = ("OTLP over HTTP", "OTLP over gRPC")


def main() -> int:
    """Print the tables."""
    if not is_installed():
        print("The peers' environment is missing: make canary", file=sys.stderr)
        return 2
    drawn = cells(SEED)
    counted: dict[Way, set[str]] = {way: leaking(way, drawn) for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        with walked(Path(folder) / "masked", SEED) as masked:
            counted[RECEIVER] = surfaces_of(found(drawn, *(masked.exits[name] for name in EXPORTED)))
        with walked(Path(folder) / "open", SEED, ALLOW_ALL, "open") as open_:
            pass
    redactor = build_redactor(policy=MASK_ALL, direction="telemetry", known=live_values(drawn), pattern_set=compiled_patterns())
    sealed = Sealed(redactor, drawn)
    sealed.plant()
    counted[SEALED] = surfaces_of(found(drawn, *sealed.exits().values()))

    print("## Surfaces that leak, by way of masking\n")
    print(_table(["", *SIGNALS], [[way.title, *(_count(counted[way], way, signal) for signal in SIGNALS)] for way in counted]))
    print("\n## Which they are\n")
    print("● leaks, · does not, – the way has nothing to do with that signal.\n")
    numbered = {way: str(number) for number, way in enumerate(counted, 1)}
    print("\n".join(f"{number}. {way.title}" for way, number in numbered.items()), end="\n\n")
    print(_table(["surface", *numbered.values()], [[surface, *(_mark(counted, way, surface) for way in counted)] for surface in SURFACES]))
    leaks = _exits(masked, open_)
    return 1 if leaks or counted[SEALED] or counted[RECEIVER] else 0


def _exits(masked: Walked, open_: Walked) -> int:
    """Print what each exit of the gateway shows; gives how many cells that are in all, and a one for each exit without its control."""
    print(f"\n## Canaries that the exits of the gateway show, of {len(masked.drawn)}\n")
    print(f"Those of programs, and those of callers: {', '.join(CALLER)}.\n")
    print(
        "The last column is the positive control: the same gateway under a policy that allows everything but live secrets, with a defect."
    )
    print("It logs, writes into events and makes metric labels of what callers ask for, answers senders with what they sent, and redacts")
    print("neither log nor events nor labels. It shows that each exit was looked at, so that a 0 beside it says something.\n")
    shown = {name: (len(found(masked.drawn, data)), len(found(open_.drawn, open_.exits[name]))) for name, data in masked.exits.items()}
    print(_table(["exit", "leaks", "positive control"], [[name, str(leaks), str(control)] for name, (leaks, control) in shown.items()]))
    unseen = [name for name, (_, control) in shown.items() if not control]
    if unseen:
        print(f"\nThe control shows nothing at: {', '.join(unseen)}.")
    return sum(leaks for leaks, _ in shown.values()) + len(unseen)


def _count(leaking_surfaces: set[str], way: Way, signal: str) -> str:
    if signal not in way.signals:
        return "–"
    of_signal = surfaces_for([signal])
    return f"{len(leaking_surfaces.intersection(of_signal))} of {len(of_signal)}"


def _mark(counted: Mapping[Way, set[str]], way: Way, surface: str) -> str:
    if SIGNAL_OF[surface] not in way.signals:
        return "–"
    return "●" if surface in counted[way] else "·"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())

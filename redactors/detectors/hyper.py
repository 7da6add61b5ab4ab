"""The adapter to hyperscan: sets of expressions or literals looked for in one pass, offsets of ends only.

A database may be read by many threads, a scratch by one: each thread allocates its own on first use. Everything else
(who matched what) is decided by the callers in bounded windows.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

_MANY: Final = 100
"""Expressions or literals of a set from which on compiling it leaves memory behind that is worth giving back."""

Hits = list[tuple[int, int]]
"""Pairs of (index of the expression, byte offset of the end of a match)."""


class Expression(NamedTuple):
    """An expression of bytes for a set. Of one that is asked for `once`, any one end stands for all."""

    text: str
    ignores_case: bool = False
    once: bool = False


def library_version() -> str:
    """The version that a serialized database belongs to. Raises ImportError where there is no wheel."""
    import hyperscan

    # Not from the package's metadata, whose parser takes longer to import than the library.
    return f"{hyperscan.__version__} {hyperscan.HS_MODE_BLOCK}"  # type: ignore[attr-defined]  # its stub does not name it


def is_importable() -> bool:
    """Whether hyperscan has a wheel for this interpreter and loads."""
    try:
        library_version()
    except ImportError:
        return False
    return True


def _collect(index: int, start: int, end: int, flags: int, hits: Hits) -> None:
    hits.append((index, end))


def _stop(index: int, start: int, end: int, flags: int, hits: Hits) -> bool:
    hits.append((index, end))
    return True


class HyperScan:
    """A compiled database with a scratch for every thread. A `secret` one, which may hold live values, is never serialized."""

    def __init__(self, database: Any, *, secret: bool = False) -> None:
        import hyperscan

        self._database = database
        self._secret = secret
        self._scan = database.scan
        self._allocate = hyperscan.Scratch
        self._terminated: type[Exception] = hyperscan.ScanTerminated
        self._local = threading.local()

    def hits(self, data: bytes) -> Hits:
        """Every end of every match, in the order of the ends."""
        hits: Hits = []
        try:
            scratch = self._local.scratch
        except AttributeError:
            scratch = self._local.scratch = self._allocate(self._database)
        self._scan(data, _collect, 0, hits, scratch)
        return hits

    def hits_anything(self, data: bytes) -> bool:
        """Whether anything matches at all; stops at the first match."""
        hits: Hits = []
        try:
            scratch = self._local.scratch
        except AttributeError:
            scratch = self._local.scratch = self._allocate(self._database)
        try:
            self._scan(data, _stop, 0, hits, scratch)
        except self._terminated:
            return True
        return bool(hits)

    def dump(self) -> bytes:
        """The database as bytes, for `load` in the same version on the same kind of processor. TypeError for a secret one."""
        if self._secret:
            raise TypeError("a scan database of literals may hold live secrets and is not serialized")
        import hyperscan

        return bytes(hyperscan.dumpb(self._database))

    def __reduce__(self) -> Any:
        raise TypeError("a scan database is not pickled; use dump and load")


def compile_set(expressions: Sequence[Expression]) -> HyperScan:
    """Compile expressions, of which `^` and `$` also match at line ends. Raises ValueError when the library refuses one."""
    import hyperscan as hs

    flags = [
        hs.HS_FLAG_MULTILINE | (hs.HS_FLAG_CASELESS if one.ignores_case else 0) | (hs.HS_FLAG_SINGLEMATCH if one.once else 0)
        for one in expressions
    ]
    database = hs.Database(mode=hs.HS_MODE_BLOCK)
    count = len(expressions)
    try:
        database.compile(expressions=[one.text.encode() for one in expressions], ids=list(range(count)), elements=count, flags=flags)
    except hs.error as error:
        raise ValueError("the scan library refuses an expression of the set") from error
    if count >= _MANY:
        _give_back_memory()
    return HyperScan(database)


def compile_literals(literals: Sequence[bytes]) -> HyperScan:
    """Compile literals, found byte for byte. None of them may be empty or contain a zero byte, which would end it early."""
    import hyperscan as hs

    if not all(literals) or any(b"\0" in literal for literal in literals):
        raise ValueError("a literal is empty or contains a zero byte")
    database = hs.Database(mode=hs.HS_MODE_BLOCK)
    count = len(literals)
    database.compile(expressions=list(literals), ids=list(range(count)), elements=count, flags=[0] * count, literal=True)
    if count >= _MANY:
        _give_back_memory()
    return HyperScan(database, secret=True)


def _give_back_memory() -> None:
    """Ask the C library to return freed memory to the system: compiling needs much more than its result, and glibc keeps it all."""
    import ctypes

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return  # another C library, which decides by itself


def load(dumped: bytes) -> HyperScan:
    """The database behind `HyperScan.dump`. Raises ValueError when this version or processor cannot use it."""
    import hyperscan as hs

    try:
        return HyperScan(hs.loadb(dumped, hs.HS_MODE_BLOCK))
    except hs.HyperscanError as error:
        raise ValueError("the serialized scan database does not fit this library or processor") from error

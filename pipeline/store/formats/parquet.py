"""Apache Parquet: a row group every some thousand events, compressed, in constant memory. Columns are those of CSV, with types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from pipeline.store.export import EVENT_COLUMNS
from pipeline.store.formats.meaning import Row
from pipeline.store.outflow import Outflow

GROUP: Final = 5_000
_NUMBERS: Final = frozenset({"status", "seq"})


def parquet_pieces(rows: Iterable[Row]) -> Iterator[bytes]:
    """The file, piece by piece; `at` is a timestamp in microseconds, UTC, `detail` JSON text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, Any] = {"at": pa.timestamp("us", tz="UTC"), **dict.fromkeys(_NUMBERS, pa.int64())}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in EVENT_COLUMNS])
    flow, source = Outflow(), iter(rows)
    with pq.ParquetWriter(pa.PythonFile(flow, mode="w"), schema, compression="zstd") as writer:
        while group := list(islice(source, GROUP)):
            writer.write_table(pa.table({name: [_value(row, name) for row in group] for name in EVENT_COLUMNS}, schema=schema))
            yield flow.taken()
    yield flow.taken()


def _value(row: Row, name: str) -> Any:
    return row["at_us"] if name == "at" else row.get(name)

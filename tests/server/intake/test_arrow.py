"""Whatever comes as Arrow is read, or refused; never anything else."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from tidegauge.errors import DataError
from tidegauge.server.arrow import read_table


def stream_of(table, compression=None):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as out:
        out.write_table(table, max_chunksize=7)
    return sink.getvalue().to_pybytes()


TABLES = {
    "numbers": pa.table(
        {"vector": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(80.0)), 8), "id": list("abcdefghij")}
    ),
    "dictionary": pa.table({"segment": pa.array(["de", None, "fr"] * 5).dictionary_encode()}),
    "nested": pa.table({"vector": pa.array([[1.0, 2.0], None, []] * 4), "text": pa.array(["a", "ü", None] * 4)}),
    "views": pa.table({"text": pa.array(["short", "long enough to lie elsewhere"] * 4, pa.string_view())}),
    "no rows": pa.table({"id": pa.array([], pa.string())}),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_whole_stream_is_read_as_it_was_written(name):
    assert read_table(stream_of(TABLES[name])).combine_chunks() == TABLES[name].combine_chunks()


@pytest.mark.parametrize("name", [name for name in TABLES if name != "no rows"])
@pytest.mark.parametrize("packing", ["lz4", "zstd"])
def test_what_is_compressed_is_told_by_its_header(name, packing):
    with pytest.raises(DataError, match="compressed"):
        read_table(stream_of(TABLES[name], packing))


@pytest.mark.parametrize("name", TABLES)
def test_damaged_streams_are_refused_or_harmless(name):
    """A byte that is changed may still be a stream; what is read of it is valid, and no other error comes out."""
    draw, whole, refused = random.Random(name), stream_of(TABLES[name]), 0
    for _ in range(400):
        body = bytearray(whole)
        for _ in range(draw.choice((1, 1, 2, 8))):
            body[draw.randrange(len(body))] = draw.randrange(256)
        if draw.random() < 0.2:
            del body[draw.randrange(len(body)) :]
        try:
            read_table(bytes(body)).validate(full=True)
        except DataError:
            refused += 1
    assert refused > 40

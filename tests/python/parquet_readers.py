"""Reads a Parquet file with pyarrow, DuckDB and Polars; prints types and rows of each as JSON.

Values are spelled so that the three readers can be held against one another.
"""

import datetime
import decimal
import json
import sys

import duckdb
import polars
import pyarrow.parquet


def plain(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes:" + bytes(value).hex()
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return str(value)
    if isinstance(value, float) and value != value:
        return "NaN"
    return value


def table(types, rows):
    return {"types": types, "rows": [[plain(value) for value in row] for row in rows]}


path = sys.argv[1]
arrow = pyarrow.parquet.read_table(path)
duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")
shape = duck.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
# Its Python client needs another package to hand out moments with a zone.
columns = ", ".join(f'"{row[0]}"' + ("::TIMESTAMP" if row[1].endswith("ZONE") else "") for row in shape)
frame = polars.read_parquet(path)
metadata = pyarrow.parquet.read_metadata(path)
print(
    json.dumps(
        {
            "pyarrow": table([str(field.type) for field in arrow.schema], zip(*[c.to_pylist() for c in arrow.columns])),
            "duckdb": table([row[1] for row in shape], duck.execute(f"SELECT {columns} FROM '{path}'").fetchall()),
            "polars": table([str(kind) for kind in frame.dtypes], frame.rows()),
            "compression": sorted({
                metadata.row_group(group).column(column).compression
                for group in range(metadata.num_row_groups)
                for column in range(metadata.num_columns)
            }),
            "row_groups": [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)],
            "keys": sorted(key.decode() for key in metadata.metadata if key.startswith(b"golden.")),
        }
    )
)

"""Reads published tables with other engines, every version by time travel, and holds each against an exported file.

Takes a JSON file: a list of {"table", "exports", "pandas"}, the exports by the number of the version. Prints, for each
engine and version, how many rows it read, of which types, and whether both are what the same engine reads in the export.
"""

import datetime
import decimal
import json
import sys

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.parquet
from duckdb_extensions import import_extension
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession


def plain(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes:" + bytes(value).hex()
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return f"{type(value).__name__}:{value}"
    return repr(value)


def compare(engine, read, export):
    """Types and rows, each of the table and of the export."""
    (types, rows), (expected_types, expected) = read, export
    rows, expected = (sorted([plain(value) for value in row] for row in rows) for rows in (rows, expected))
    return {
        "engine": engine,
        "rows": len(rows),
        "types": types,
        "same_types": types == expected_types,
        "same_rows": rows == expected,
        "differs": [pair for pair in zip(rows, expected) if pair[0] != pair[1]][:2] + [types, expected_types]
        if (types, rows) != (expected_types, expected)
        else None,
    }


def arrow(table):
    # Views are texts and bytes all the same.
    types = [[field.name, str(field.type).removesuffix("_view").removeprefix("large_")] for field in table.schema]
    return types, list(zip(*[column.to_pylist() for column in table.columns])) if table.num_columns else []


def with_deltalake(table, version):
    found = deltalake.DeltaTable(table, version=version)
    return arrow(pyarrow.table(deltalake.QueryBuilder().register("t", found).execute("SELECT * FROM t")))


def with_pandas(table, version):
    found = deltalake.DeltaTable(table, version=version)
    frame, rows = found.to_pandas(), found.to_pyarrow_table()
    assert len(frame) == rows.num_rows, "pandas reads other rows"
    return arrow(rows)


def with_polars(frame):
    return [[name, str(kind)] for name, kind in frame.schema.items()], frame.rows()


def with_duckdb(source):
    shape = duck.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return [[row[0], row[1]] for row in shape], arrow(duck.execute(f"SELECT * FROM {source}").to_arrow_table())[1]


def with_spark(frame):
    return [[field.name, field.dataType.simpleString()] for field in frame.schema], arrow(frame.toArrow())[1]


import_extension("delta")
duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")
duck.execute("LOAD delta")
server = SparkConnectServer("127.0.0.1", port=0)
server.start(background=True)
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")

results = []
for case in json.load(open(sys.argv[1])):
    table = case["table"]
    for version, export in enumerate(case["exports"]):
        exported = arrow(pyarrow.parquet.read_table(export))
        delta = spark.read.format("delta").option("versionAsOf", version)
        found = [
            compare("deltalake", with_deltalake(table, version), exported),
            compare(
                "polars",
                with_polars(polars.scan_delta(table, version=version).collect()),
                with_polars(polars.read_parquet(export)),
            ),
            compare(
                "duckdb",
                with_duckdb(f"delta_scan('{table}', version={version})"),
                with_duckdb(f"read_parquet('{export}')"),
            ),
            compare("spark", with_spark(delta.load(table)), with_spark(spark.read.parquet(export))),
        ]
        if case.get("pandas"):
            found.append(compare("pandas", with_pandas(table, version), exported))
        results += [{"table": table, "version": version, **result} for result in found]
print(json.dumps(results))

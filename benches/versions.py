"""Holds golden-version against DuckDB, DVC and deltalake. Runs are interleaved, and medians compared."""

import argparse
import contextlib
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import deltalake
import duckdb
import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet

COLUMNS = "id, url, title, status, score, fetched_at, sha256, note"


def table(path, rows):
    """A table of rows that do not compress to nothing."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"""
            PRAGMA journal_mode = WAL;
            CREATE TABLE t (id INTEGER PRIMARY KEY, url TEXT NOT NULL, title TEXT, status TEXT, score REAL,
                            fetched_at DATETIME, sha256 TEXT, note TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
            INSERT INTO t SELECT i, 'https://example.org/articles/' || (i * 7919 % 1000003) || '/' || i,
                'Title number ' || (i * 31 % 100000) || ' of the collection',
                CASE i % 5 WHEN 0 THEN 'pending' WHEN 1 THEN 'failed' ELSE 'completed' END,
                (i * 2654435761 % 1000000) / 1000.0,
                strftime('%Y-%m-%d %H:%M:%S', 1700000000 + i * 37, 'unixepoch') || '.000000',
                lower(hex(randomblob(16))), CASE WHEN i % 10 = 0 THEN 'seen twice' END FROM n;
            """
        )


def change(path, rows, number, start):
    """So many changes, spread over the table: nine updates to an insert and a delete."""
    step = rows // number
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"""
            BEGIN;
            UPDATE t SET title = title || '!', score = score + 1 WHERE id % {step} = {start} AND id % 11 < 9;
            DELETE FROM t WHERE id % {step} = {start} AND id % 11 = 9;
            INSERT INTO t SELECT id + {rows * (start + 1)}, url, title, status, score, fetched_at, sha256, note FROM t
            WHERE id % {step} = {start + 1} AND id % 11 = 10;
            COMMIT;
            """
        )


class Bench:
    def __init__(self, arguments, folder):
        self.program = str(pathlib.Path(arguments.program).resolve())
        self.rows, self.changes, self.runs, self.folder = arguments.rows, arguments.changes, arguments.runs, folder
        self.times = {}
        self.written = {}

    def time(self, name, work):
        start = time.perf_counter()
        work()
        self.times.setdefault(name, []).append(time.perf_counter() - start)

    def run(self, *command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def version(self, command, database, *options):
        self.run(self.program, command, "--db", database, "--dataset", "t", "--quiet", *options)

    def median(self, name):
        return statistics.median(self.times[name])


def measure(bench):
    folder = bench.folder
    table(folder / "tracked.db", bench.rows)
    shutil.copy(folder / "tracked.db", folder / "compared.db")
    for database in ("tracked.db", "compared.db"):
        bench.version("create", database, "--tag", "v0")
    bench.version("track", "tracked.db")
    bench.version("create", "tracked.db", "--tag", "tracked")
    bench.version("export", "tracked.db", "--version", "tracked", "--output", "t.parquet")
    duck = duckdb.connect(str(folder / "t.duckdb"))
    duck.execute(f"CREATE TABLE t AS SELECT * FROM '{folder}/t.parquet'")
    deltalake.write_deltalake(str(folder / "delta"), pyarrow.parquet.read_table(folder / "t.parquet"))
    delta = deltalake.DeltaTable(str(folder / "delta"))
    publish = ("publish", "tracked.db", "--to", "published")
    bench.version(*publish)
    bench.run("git", "init", "-q", ".")
    dvc = str(pathlib.Path(sys.executable).parent / "dvc")
    bench.run(dvc, "init", "-q")
    bench.run(dvc, "config", "core.analytics", "false")
    sizes = []
    for run in range(1, bench.runs + 1):
        tag = f"v{run}"
        for database in ("tracked.db", "compared.db"):
            change(folder / database, bench.rows, bench.changes, run)
        before = size(folder / "tracked.db")
        bench.time("create, tracked", lambda: bench.version("create", "tracked.db", "--tag", tag))
        sizes.append(size(folder / "tracked.db") - before)
        bench.time("create, compared", lambda: bench.version("create", "compared.db", "--tag", tag))
        read = ("sqlite3", "-readonly", "compared.db", "SELECT * FROM t ORDER BY id")
        bench.time("reading twice", lambda: (bench.run(*read), bench.run(*read)))
        export = ("export", "tracked.db", "--version", tag, "--output", "ours.parquet")
        bench.time("export, replayed", lambda: bench.version(*export))
        copy = f"COPY (SELECT * FROM t) TO '{folder}/theirs.parquet' (FORMAT parquet, COMPRESSION zstd)"
        bench.time("DuckDB COPY", lambda: duck.execute(copy))
        bench.time("snapshot", lambda: bench.version("snapshot", "tracked.db", "--version", tag))
        bench.time("export, of a snapshot", lambda: bench.version(*export))
        shutil.copy(folder / "ours.parquet", folder / "t.parquet")
        bench.time("dvc add", lambda: bench.run(dvc, "add", "-q", "t.parquet"))
        source = pyarrow.parquet.read_table(folder / "t.parquet").slice(run * 1000, bench.changes)
        title = source.schema.get_field_index("title")
        source = source.set_column(title, "title", pyarrow.array([f"changed {run}"] * source.num_rows))
        merge = delta.merge(source, "t.id = s.id", source_alias="s", target_alias="t")
        bench.time("deltalake merge", merge.when_matched_update_all().when_not_matched_insert_all().execute)
        before = below(folder / "published")
        bench.time("publish", lambda: bench.version(*publish))
        bench.written.setdefault("publish", []).append(below(folder / "published") - before)
        # The same changes, spread over the table as they are there.
        step = bench.rows // bench.changes
        ours = pyarrow.parquet.read_table(folder / "t.parquet")
        rest = compute.subtract(ours["id"], compute.multiply(compute.divide(ours["id"], step), step))
        spread = ours.filter(compute.equal(rest, run))
        merge = delta.merge(spread, "t.id = s.id", source_alias="s", target_alias="t")
        before = below(folder / "delta")
        merged = merge.when_matched_update_all().when_not_matched_insert_all()
        bench.time("deltalake merge, spread", merged.execute)
        bench.written.setdefault("deltalake merge, spread", []).append(below(folder / "delta") - before)
    return statistics.median(sizes)


def below(folder):
    """How many bytes the files of a folder have."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def size(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        pages, page = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return pages * page


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="golden-version, built for release")
    parser.add_argument("--folder", default="target/bench", help="where databases go while it runs")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    pathlib.Path(arguments.folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bench = Bench(arguments, pathlib.Path(folder).resolve())
        grown = measure(bench)
        parquet = (bench.folder / "t.parquet").stat().st_size
    print(f"## {arguments.rows:,} rows, {arguments.changes:,} changes a version, median of {arguments.runs} runs\n")
    print("| what | seconds | beside | seconds | ratio | at most |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, peer, limit in [
        ("create, tracked", "snapshot", "0.02"),
        ("create, compared", "reading twice", "1"),
        ("export, replayed", "DuckDB COPY", "1.3"),
        ("export, of a snapshot", "DuckDB COPY", "1.3"),
        ("create, tracked", "dvc add", ""),
        ("create, compared", "dvc add", ""),
        ("create, tracked", "deltalake merge", ""),
        ("create, compared", "deltalake merge", ""),
        ("publish", "deltalake merge, spread", ""),
    ]:
        ours, theirs = bench.median(name), bench.median(peer)
        print(f"| {name} | {ours:.3f} | {peer} | {theirs:.3f} | {ours / theirs:.3f} | {limit} |")
    ours, theirs = (statistics.median(written) / 1000 for written in bench.written.values())
    print(f"\nA version that is published writes {ours:.0f} kB, the merge {theirs:.0f} kB.")
    print(f"\nThe database grows by {grown / 1000:.0f} kB a version; a Parquet file of all rows has {parquet / 1000:.0f} kB.")


if __name__ == "__main__":
    main()

"""Snapshots of golden-version into a bucket, beside the same into a folder, and beside cp of the file into the folder of
the bucket's server. Runs are interleaved, and medians compared."""

import argparse
import contextlib
import os
import pathlib
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time


def table(path, rows):
    """A table of rows that do not compress to nothing."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"""
            CREATE TABLE t (id INTEGER PRIMARY KEY, url TEXT, words TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
            INSERT INTO t SELECT i, 'https://example.org/articles/' || i, hex(randomblob(100)) FROM n;
            """
        )


@contextlib.contextmanager
def server(program, objects):
    """A server of S3's protocol with a bucket; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "-d", objects, "-a", "127.0.0.1", "-p", str(port), "-s", "--configure-bucket", "bench"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="golden-version, built for release")
    parser.add_argument("--server", required=True, help="s3rver")
    parser.add_argument("--folder", default="target/bench", help="where files go while it runs")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    pathlib.Path(arguments.folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        folder = pathlib.Path(folder).resolve()
        objects, temporary = folder / "objects", folder / "tmp"
        objects.mkdir()
        temporary.mkdir()
        with server(arguments.server, objects) as endpoint:
            # The keys that this server knows.
            environment = os.environ | {
                "AWS_ENDPOINT": endpoint,
                "AWS_ALLOW_HTTP": "true",
                "AWS_ACCESS_KEY_ID": "S3RVER",
                "AWS_SECRET_ACCESS_KEY": "S3RVER",
                "TMPDIR": str(temporary),
            }
            times = {"into the bucket": [], "into a folder": [], "cp": []}
            places = {folder / "there.db": "s3://bench/app", folder / "here.db": folder / "files"}

            def version(database, command, *options):
                line = [program, command, "--db", database, "--dataset", "t", "--snapshots", places[database], "--quiet"]
                subprocess.run([*line, *options], check=True, env=environment)

            def snapshot(database):
                with contextlib.closing(sqlite3.connect(database)) as connection:
                    # It is written anew.
                    connection.execute("UPDATE dataset_versions SET snapshot_path = NULL WHERE version_tag = 'v2'")
                    connection.commit()
                version(database, "snapshot", "--version", "v2")

            def measure(name, work):
                start = time.perf_counter()
                work()
                times[name].append(time.perf_counter() - start)

            for database in places:
                table(database, arguments.rows)
                version(database, "create", "--tag", "v1")
                version(database, "create", "--tag", "v2")
            for _ in range(arguments.runs):
                measure("into the bucket", lambda: snapshot(folder / "there.db"))
                measure("into a folder", lambda: snapshot(folder / "here.db"))
                file = folder / "files/t/v2.parquet"
                measure("cp", lambda: subprocess.run(["cp", file, objects / "bench"], check=True))
        size = file.stat().st_size
    print(f"A snapshot of {arguments.rows} rows, {size / 1e6:.1f} MB, medians of {arguments.runs}:")
    for name, measured in times.items():
        print(f"  {name:<16} {statistics.median(measured):7.2f} s")


if __name__ == "__main__":
    main()

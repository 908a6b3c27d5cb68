#!/usr/bin/python3
"""nori tables through Python's sqlite3. See README.md here.

Usage: python_sqlite3.py path/to/nori_lsm.so
"""

import contextlib
import os
import sqlite3
import sys


def connect(path, extension):
    connection = sqlite3.connect(path)
    connection.enable_load_extension(True)
    connection.load_extension(os.path.abspath(extension))
    connection.enable_load_extension(False)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def fails(kind, text, action, *arguments):
    try:
        action(*arguments)
    except kind as error:
        assert text in str(error), error
        return
    raise AssertionError(f"no {kind.__name__}")


def main():
    with contextlib.closing(connect("app.db", sys.argv[1])) as db:
        db.execute("""CREATE VIRTUAL TABLE reading USING nori(
            sensor TEXT, at INTEGER, value REAL, note,
            PRIMARY KEY (sensor, at))""")

        # `with` commits, or rolls back if something is raised.
        with db:
            db.executemany(
                "INSERT INTO reading VALUES (:sensor, :at, :value, :note)",
                [{"sensor": f"s{i % 3}", "at": i, "value": i / 2,
                  "note": bytes([i]) if i % 5 else None}
                 for i in range(30)])
        try:
            with db:
                db.execute("DELETE FROM reading")
                raise RuntimeError("changed my mind")
        except RuntimeError:
            pass
        assert db.execute("SELECT count(*) FROM reading").fetchone() == (30,)

        # Types come back as they went in, after the column's affinity.
        row = db.execute("SELECT * FROM reading WHERE sensor = ? AND at = ?",
                         ("s1", 16)).fetchone()
        assert row == ("s1", 16, 8.0, b"\x10"), row
        db.row_factory = sqlite3.Row
        row = db.execute("SELECT * FROM reading WHERE at = 15").fetchone()
        assert row.keys() == ["sensor", "at", "value", "note"]
        assert row["note"] is None and row["value"] == 7.5
        db.row_factory = None

        # Functions of one's own, in a scan.
        db.create_function("half", 1, lambda x: x / 2)
        assert db.execute("SELECT sum(half(value)) FROM reading "
                          "WHERE sensor = 's0'").fetchone() == (33.75,)

        # Errors are those of any table.
        fails(sqlite3.IntegrityError,
              "UNIQUE constraint failed: reading.sensor, reading.at",
              db.execute, "INSERT INTO reading VALUES ('s0', 0, 1, 1)")
        fails(sqlite3.IntegrityError,
              "NOT NULL constraint failed: reading.at",
              db.execute, "INSERT INTO reading(sensor) VALUES ('s0')")
        db.rollback()

        # A savepoint inside a transaction.
        with db:
            db.execute("UPDATE reading SET value = 0 WHERE sensor = 's0'")
            db.execute("SAVEPOINT part")
            db.execute("UPDATE reading SET value = 1")
            db.execute("ROLLBACK TO part")
        assert db.execute("SELECT sum(value = 0), sum(value = 1) "
                          "FROM reading").fetchone() == (10, 1)

        # A second connection sees what is committed, and only that.
        with contextlib.closing(connect("app.db", sys.argv[1])) as other:
            db.execute("INSERT INTO reading VALUES ('s9', 1, 1, 1)")
            assert other.execute(
                "SELECT count(*) FROM reading").fetchone() == (30,)
            db.commit()
            assert other.execute(
                "SELECT count(*) FROM reading").fetchone() == (31,)

            # A copy by backup() is whole.
            with contextlib.closing(sqlite3.connect("copy.db")) as copy:
                other.backup(copy)
                assert copy.execute(
                    "SELECT count(*) FROM reading").fetchone() == (31,)

        # An interrupted statement leaves the connection as it was.
        db.set_progress_handler(lambda: 1, 20)
        fails(sqlite3.OperationalError, "interrupted", db.execute,
              "SELECT count(*) FROM reading a, reading b, reading c")
        db.set_progress_handler(None, 0)
        assert db.execute("SELECT count(*) FROM reading").fetchone() == (31,)
    print("ok")


if __name__ == "__main__":
    main()

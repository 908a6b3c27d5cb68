#!/usr/bin/python3
"""A whole database in the engine, with the VFS `nori`, through Python's sqlite3.
See README.md here.

Usage: python_vfs.py path/to/nori_lsm.so
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading


def connect(name, **settings):
    return sqlite3.connect(f"file:{name}?vfs=nori", uri=True, timeout=60,
                           **settings)


def move_money(number):
    """Takes 1 from each of ten accounts and gives it to the next."""
    with contextlib.closing(connect("app.db", isolation_level=None)) as db:
        for i in range(10):
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE account SET balance = balance - 1 "
                       "WHERE id = ?", (1 + (number + i) % 10,))
            db.execute("UPDATE account SET balance = balance + 1 "
                       "WHERE id = ?", (1 + (number + i + 1) % 10,))
            db.execute("COMMIT")


def main():
    extension = os.path.abspath(sys.argv[1])
    # Loading brings the VFS for all connections that are opened later.
    loader = sqlite3.connect(":memory:")
    loader.enable_load_extension(True)
    loader.load_extension(extension)

    with contextlib.closing(connect("app.db")) as db:
        # Ordinary SQL: triggers, foreign keys, upsert, full text.
        db.executescript("""
            PRAGMA foreign_keys = ON;
            CREATE TABLE account(id INTEGER PRIMARY KEY, balance INT);
            CREATE TABLE entry(account INT REFERENCES account, before INT,
                               after INT);
            CREATE INDEX entry_account ON entry(account);
            CREATE TRIGGER noted AFTER UPDATE ON account BEGIN
              INSERT INTO entry VALUES(new.id, old.balance, new.balance);
            END;
            CREATE VIRTUAL TABLE note USING fts5(text);
        """)
        with db:
            db.executemany("INSERT INTO account VALUES (?, 100)",
                           [(i,) for i in range(1, 11)])
            db.execute("INSERT INTO account VALUES (1, 0) ON CONFLICT DO "
                       "UPDATE SET balance = balance + 1")
            db.execute("INSERT INTO note VALUES ('pay the rent')")
        try:
            with db:
                db.execute("INSERT INTO entry VALUES (77, 0, 0)")
            raise AssertionError("no such account")
        except sqlite3.IntegrityError as error:
            assert "FOREIGN KEY" in str(error)
        assert db.execute("SELECT text FROM note('rent')").fetchone() == (
            "pay the rent",)

        # A reader keeps its state while others write.
        reader = connect("app.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchone()
        threads = [threading.Thread(target=move_money, args=(n,))
                   for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert reader.execute("SELECT count(*) FROM entry").fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM entry").fetchone() == (81,)
        assert reader.execute("SELECT sum(balance) FROM account"
                              ).fetchone() == (1001,)
        reader.close()

        # Another process is told that it is in use.
        other = subprocess.run(
            [sys.executable, "-c",
             "import sqlite3, sys\n"
             "db = sqlite3.connect(':memory:')\n"
             "db.enable_load_extension(True)\n"
             "db.load_extension(sys.argv[1])\n"
             "sqlite3.connect('file:app.db?vfs=nori', uri=True)",
             extension], capture_output=True, text=True, check=False)
        assert "database is locked" in other.stderr, other.stderr

        # A copy that any SQLite opens.
        with contextlib.closing(sqlite3.connect("plain.db")) as plain:
            db.backup(plain)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    with contextlib.closing(sqlite3.connect("plain.db")) as plain:
        assert plain.execute("SELECT sum(balance) FROM account"
                             ).fetchone() == (1001,)
    with contextlib.closing(sqlite3.connect(
            "file:app.db?vfs=nori&mode=ro", uri=True)) as db:
        try:
            db.execute("DELETE FROM entry")
            raise AssertionError("it is open for reading only")
        except sqlite3.OperationalError as error:
            assert "readonly" in str(error)
    print("ok")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""nori tables through apsw. See README.md here.

Usage: python_apsw.py path/to/nori_lsm.so
"""

import os
import sys

import apsw


def connect(path, extension):
    connection = apsw.Connection(path)
    connection.enableloadextension(True)
    connection.loadextension(os.path.abspath(extension))
    connection.cursor().execute("PRAGMA journal_mode = WAL")
    return connection


def fails(kind, text, action, *arguments):
    try:
        list(action(*arguments))
    except kind as error:
        assert text in str(error), error
        return
    raise AssertionError(f"no {kind.__name__}")


def main():
    db = connect("app.db", sys.argv[1])

    def run(sql, bindings=()):
        return list(db.cursor().execute(sql, bindings))

    run("""CREATE VIRTUAL TABLE word USING nori(
        word TEXT COLLATE NOCASE PRIMARY KEY, seen INTEGER NOT NULL)""")

    # `with` is a savepoint: nested, each part rolls back by itself.
    with db:
        run("INSERT INTO word VALUES ('one', 1), ('two', 2)")
        try:
            with db:
                run("UPDATE word SET seen = 100")
                raise RuntimeError("only this part")
        except RuntimeError:
            pass
        db.cursor().executemany("INSERT INTO word VALUES (?, ?)",
                                ((f"word {i}", i) for i in range(1000)))
    assert run("SELECT seen FROM word WHERE word = 'TWO'") == [(2,)]
    assert run("SELECT count(*), sum(seen) FROM word") == [(1002, 499503)]
    assert db.changes() == 1 and db.getautocommit()

    # A description of the columns before the first row.
    cursor = db.cursor().execute("SELECT * FROM word WHERE seen > 998")
    assert cursor.getdescription() == (("word", "TEXT"), ("seen", "INTEGER"))
    assert list(cursor) == [("word 999", 999)]

    # Errors have SQLite's extended codes.
    try:
        run("INSERT INTO word VALUES ('ONE', 1)")
        raise AssertionError("no error")
    except apsw.ConstraintError as error:
        assert error.extendedresult == apsw.SQLITE_CONSTRAINT_PRIMARYKEY
        assert "UNIQUE constraint failed: word.word" in str(error)

    # Hooks: a veto, an authorizer, an interrupt out of a scan.
    db.setcommithook(lambda: True)
    fails(apsw.ConstraintError, "", run, "DELETE FROM word")
    db.setcommithook(None)
    assert run("SELECT count(*) FROM word") == [(1002,)]

    def only_reading(action, *_):
        return (apsw.SQLITE_OK if action in (
            apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION)
            else apsw.SQLITE_DENY)
    db.setauthorizer(only_reading)
    assert run("SELECT count(*) FROM word") == [(1002,)]
    fails(apsw.AuthError, "", run, "DELETE FROM word")
    db.setauthorizer(None)

    scan = db.cursor().execute("SELECT word FROM word ORDER BY word")
    next(scan)
    db.interrupt()
    fails(apsw.InterruptError, "", lambda: scan)

    # Incremental blob handles are for SQLite's own tables.
    fails(apsw.SQLError, "cannot open virtual table: word", db.blobopen,
          "main", "word", "seen", 1, False)

    # A virtual table of Python's beside one of nori's.
    class Numbers:
        def Create(self, *_):
            return "CREATE TABLE x(n)", self
        Connect = Create

        def BestIndex(self, *_):
            return None

        def Open(self):
            return Cursor()

        def Disconnect(self):
            pass
        Destroy = Disconnect

    class Cursor:
        def Filter(self, *_):
            self.at = 0

        def Eof(self):
            return self.at >= 5

        def Rowid(self):
            return self.at

        def Column(self, _):
            return self.at

        def Next(self):
            self.at += 1

        def Close(self):
            pass
    db.createmodule("numbers", Numbers())
    run("CREATE VIRTUAL TABLE temp.numbers USING numbers")
    assert run("SELECT sum(seen) FROM numbers JOIN word ON word = 'word ' || n"
               ) == [(10,)]
    run("INSERT INTO word SELECT 'from numbers ' || n, n FROM numbers")

    # The same rows in another connection, and after closing.
    other = connect("app.db", sys.argv[1])
    assert list(other.cursor().execute(
        "SELECT count(*) FROM word WHERE word LIKE 'from%'")) == [(5,)]
    other.close()
    db.close()
    db = connect("app.db", sys.argv[1])
    assert run("SELECT count(*) FROM word") == [(1007,)]
    db.close()
    print("ok")


if __name__ == "__main__":
    main()

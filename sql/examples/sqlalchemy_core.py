#!/usr/bin/python3
"""nori tables through SQLAlchemy core. See README.md here.

Usage: sqlalchemy_core.py path/to/nori_lsm.so
"""

import os
import sys

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable


def engine_with_nori(url, extension):
    engine = sa.create_engine(url, future=True)

    @sa.event.listens_for(engine, "connect")
    def load(connection, _):
        # The driver would begin transactions late and end them at DDL:
        # SQLAlchemy does it instead, and savepoints work.
        connection.isolation_level = None
        connection.enable_load_extension(True)
        connection.load_extension(os.path.abspath(extension))
        connection.enable_load_extension(False)
        connection.execute("PRAGMA journal_mode = WAL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    return engine


# Tables with info={"nori": True} become nori tables.
@compiles(CreateTable, "sqlite")
def create_nori_table(create, compiler, **arguments):
    sql = compiler.visit_create_table(create, **arguments)
    if create.element.info.get("nori"):
        sql = sql.replace("CREATE TABLE", "CREATE VIRTUAL TABLE", 1)
        sql = sql.replace("(", "USING nori (", 1)
    return sql


def main():
    engine = engine_with_nori("sqlite:///app.db", sys.argv[1])
    metadata = sa.MetaData()
    person = sa.Table(
        "person", metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("born", sa.Date),
        sa.Column("picture", sa.LargeBinary),
        info={"nori": True})
    visit = sa.Table(
        "visit", metadata,
        sa.Column("person", sa.Integer, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("cost", sa.Integer),
        info={"nori": True})
    metadata.create_all(engine)
    metadata.create_all(engine)  # finds them

    # Insert: one row with its new key, many rows, from a query.
    with engine.begin() as connection:
        result = connection.execute(person.insert().values(name="Ann"))
        assert result.inserted_primary_key == (1,)
        connection.execute(person.insert(), [
            {"name": f"person {i}", "picture": bytes([i])}
            for i in range(2, 11)])
        connection.execute(visit.insert().from_select(
            ["person", "day", "cost"],
            sa.select(person.c.id, sa.literal("2024-01-01"), person.c.id * 10)))

    # Select: by key, joined, grouped, ordered with a limit.
    with engine.connect() as connection:
        row = connection.execute(
            sa.select(person).where(person.c.id == 3)).one()
        assert row.name == "person 3" and row.picture == b"\x03"
        rows = connection.execute(
            sa.select(person.c.name, visit.c.cost)
            .join(visit, visit.c.person == person.c.id)
            .where(visit.c.cost > 80).order_by(person.c.id.desc())
            .limit(2)).all()
        assert [tuple(row) for row in rows] == [
            ("person 10", 100), ("person 9", 90)], rows
        total = connection.execute(
            sa.select(sa.func.count(), sa.func.sum(visit.c.cost))).one()
        assert tuple(total) == (10, 550), total

    # Transactions: rolled back by an error; savepoints within.
    try:
        with engine.begin() as connection:
            connection.execute(person.delete())
            connection.execute(person.insert().values(id=1, name="x"))
            connection.execute(person.insert().values(id=1, name="again"))
    except sa.exc.IntegrityError as error:
        assert "UNIQUE constraint failed: person.id" in str(error)
    else:
        raise AssertionError("no IntegrityError")
    with engine.begin() as connection:
        savepoint = connection.begin_nested()
        connection.execute(person.update().values(name="all the same"))
        savepoint.rollback()
        with connection.begin_nested():
            connection.execute(person.update().where(person.c.id > 8)
                               .values(name=person.c.name + "!"))
        deleted = connection.execute(
            visit.delete().where(visit.c.person.in_([1, 2, 77])))
        assert deleted.rowcount == 2
    with engine.connect() as connection:
        names = connection.execute(
            sa.select(person.c.name).order_by(person.c.id)).scalars().all()
        assert names[:2] == ["Ann", "person 2"], names
        assert names[-2:] == ["person 9!", "person 10!"], names

    # Reflection: columns, types, the rowid's key. A key of several columns is
    # nori's own, and SQLite knows no key of a virtual table that has none.
    inspector = sa.inspect(engine)
    assert {"person", "visit"} <= set(inspector.get_table_names())
    assert inspector.get_pk_constraint("person")["constrained_columns"] == [
        "id"]
    columns = {c["name"]: c for c in inspector.get_columns("person")}
    assert not columns["name"]["nullable"] and columns["born"]["nullable"]
    assert isinstance(columns["name"]["type"], sa.VARCHAR)
    reflected = sa.Table("visit", sa.MetaData(), autoload_with=engine)
    assert [c.name for c in reflected.c] == ["person", "day", "cost"]
    with engine.connect() as connection:
        assert connection.execute(
            sa.select(sa.func.count()).select_from(reflected)).scalar() == 8
    metadata.drop_all(engine)
    assert "person" not in sa.inspect(engine).get_table_names()
    print("ok")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Runs the TPC-H queries on nori tables and on ordinary tables.

Makes both databases with the same rows, runs the 22 queries on them in turn,
compares the answers and prints a table of times and ratios. bench/README.md
says more. Exits with 1 if an answer differs or a query gave no row.
"""

import argparse
import itertools
import math
import pathlib
import re
import shutil
import sqlite3
import statistics
import sys
import time

import rows
import schema

HERE = pathlib.Path(__file__).resolve().parent
CHUNK = 10_000


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--extension", required=True,
                        help="path of nori_lsm.so")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3,
                        help="times that each query runs on each side")
    parser.add_argument("--dir", default="bench-data/tpch",
                        help="folder for the databases; emptied before and, "
                        "without --keep, after")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--reuse", action="store_true",
                        help="use the databases that --keep has left")
    parser.add_argument("--queries", type=int, nargs="*",
                        help="numbers of the queries to run; default: all")
    parser.add_argument("--no-indexes", action="store_true",
                        help="only primary keys on both sides")
    parser.add_argument("--no-analyze", action="store_true",
                        help="no ANALYZE on the ordinary side")
    parser.add_argument("--without-rowid", action="store_true",
                        help="ordinary tables with keys of two columns are "
                        "WITHOUT ROWID")
    parser.add_argument("--option", action="append", default=[],
                        metavar="NAME=VALUE", help="option of the nori engine")
    parser.add_argument("--timeout", type=float, default=600,
                        help="seconds after which a query is given up")
    parser.add_argument("--plans", action="store_true",
                        help="print each query's plans")
    parser.add_argument("--out", help="write the table to this file, too")
    return parser.parse_args()


def read_queries():
    text = (HERE / "queries.sql").read_text(encoding="utf-8")
    queries = {}
    for match in re.finditer(r"^-- (\d+): .*\n((?:.*\n)*?.*;)$", text, re.M):
        queries[int(match[1])] = match[2]
    assert sorted(queries) == list(range(1, 23)), sorted(queries)
    return queries


# Below scale 0.05 these find nothing in most years: they ask for less.
SMALL = {17: ("p_container = 'MED BOX'", "p_container LIKE 'MED%'"),
         19: (" AND l_shipinstruct = 'DELIVER IN PERSON'", ""),
         20: ("'forest%'", "'f%'")}


def fit_to_scale(queries, scale):
    if scale < 0.05:
        for number, (text, other) in SMALL.items():
            assert text in queries[number]
            queries[number] = queries[number].replace(text, other)
    return queries


def parameters(scale):
    # Orders of more than 300 pieces are rare: one in 26,000.
    return {"fraction": 0.0001 / scale, "quantity": 300 if scale >= 0.05 else 220}


class Side:
    """One of the two databases."""

    def __init__(self, name, path, extension):
        self.name = name
        self.db = sqlite3.connect(path, isolation_level=None)
        if not hasattr(self.db, "enable_load_extension"):
            sys.exit("this python3 cannot load extensions; Debian's "
                     "/usr/bin/python3 can")
        self.seconds = {}  # of a query: one for each round
        self.answers = {}
        self.load_seconds = 0.0
        if name == "nori":
            self.db.enable_load_extension(True)
            self.db.load_extension(str(pathlib.Path(extension).resolve()))
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL",
                       "cache_size = -65536", "temp_store = MEMORY"):
            self.db.execute("PRAGMA " + pragma).fetchall()

    def timed(self, action):
        start = time.perf_counter()
        action()
        self.load_seconds += time.perf_counter() - start

    def create(self, options):
        self.later = []
        for table in schema.TABLES:
            if self.name == "nori":
                self.db.execute(schema.nori(table, not options.no_indexes,
                                            options.option))
            else:
                create, indexes = schema.ordinary(
                    table, not options.no_indexes, options.without_rowid)
                self.db.execute(create)
                self.later += indexes

    def insert(self, table, chunk):
        marks = ", ".join("?" * schema.columns_of(table))

        def write():
            self.db.execute("BEGIN")
            self.db.executemany(f"INSERT INTO {table} VALUES({marks})", chunk)
            self.db.execute("COMMIT")
        self.timed(write)

    def finish(self, options):
        def work():
            for statement in self.later:
                self.db.execute(statement)
            if self.name == "nori":
                self.db.execute("SELECT nori_flush(), nori_compact()").fetchall()
            elif not options.no_analyze:
                self.db.execute("ANALYZE")
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.timed(work)

    def run(self, number, sql, bound, timeout):
        deadline = time.perf_counter() + timeout
        self.db.set_progress_handler(
            lambda: time.perf_counter() > deadline, 1_000_000)
        wanted = {name: value for name, value in bound.items()
                  if ":" + name in sql}
        start = time.perf_counter()
        try:
            answer = self.db.execute(sql, wanted).fetchall()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            answer = None
        self.seconds.setdefault(number, []).append(time.perf_counter() - start)
        self.db.set_progress_handler(None, 0)
        self.answers[number] = answer

    def plan(self, sql, bound):
        wanted = {name: value for name, value in bound.items()
                  if ":" + name in sql}
        depth = {0: 0}
        lines = []
        for node, parent, _, detail in self.db.execute(
                "EXPLAIN QUERY PLAN " + sql, wanted):
            depth[node] = depth.get(parent, 0) + 1
            lines.append("  " * depth[node] + detail)
        return "\n".join(lines)


def chunks(items):
    items = iter(items)
    while chunk := list(itertools.islice(items, CHUNK)):
        yield chunk


def load(sides, options):
    for side in sides:
        side.create(options)
    for table, make in rows.TABLES.items():
        if table in ("orders", "lineitem"):
            continue
        for chunk in chunks(make(options.scale)):
            for side in sides:
                side.insert(table, chunk)
    for chunk in chunks(rows.order_with_lines(options.scale)):
        lines = [line for _, several in chunk for line in several]
        for side in sides:
            side.insert("orders", [order for order, _ in chunk])
            side.insert("lineitem", lines)
    for side in sides:
        side.finish(options)


def equal(a, b):
    """Whether two answers agree; sums of reals may be added in another
    order."""
    if a is None or b is None:
        return False
    if len(a) != len(b):
        return False
    for one, two in zip(a, b):
        for x, y in zip(one, two):
            if isinstance(x, float) and isinstance(y, float):
                if not math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-6):
                    return False
            elif x != y:
                return False
    return True


def report(numbers, nori, ordinary, options):
    """The table, and how many queries went wrong."""
    wrong = 0
    lines = [
        "| query | rows | nori, s | ordinary, s | nori / ordinary | answers |",
        "|---:|---:|---:|---:|---:|---|"]
    totals = [0.0, 0.0]
    for number in numbers:
        times = [statistics.median(side.seconds[number])
                 for side in (nori, ordinary)]
        totals = [total + one for total, one in zip(totals, times)]
        answers = [side.answers[number] for side in (nori, ordinary)]
        if None in answers:
            verdict = f"given up after {options.timeout:g} s"
        elif not equal(*answers):
            verdict = "DIFFERENT"
        elif not answers[0] or all(v is None for v in answers[0][0]):
            verdict = "equal, but NO ROW"
        else:
            verdict = "equal"
        wrong += verdict != "equal"
        lines.append(
            f"| {number} | {len(answers[1] or [])} | {times[0]:.3f} | "
            f"{times[1]:.3f} | {times[0] / times[1]:.2f}x | {verdict} |")
    lines.append(f"| all | | {totals[0]:.3f} | {totals[1]:.3f} | "
                 f"{totals[0] / totals[1]:.2f}x | |")
    if not options.reuse:
        lines.append(f"| load | | {nori.load_seconds:.1f} | "
                     f"{ordinary.load_seconds:.1f} | "
                     f"{nori.load_seconds / ordinary.load_seconds:.2f}x | |")
    return "\n".join(lines) + "\n", wrong


def main():
    options = parse_arguments()
    folder = pathlib.Path(options.dir)
    if not options.reuse:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    nori = Side("nori", folder / "nori.db", options.extension)
    ordinary = Side("ordinary", folder / "ordinary.db", options.extension)
    sides = (nori, ordinary)
    if not options.reuse:
        start = time.perf_counter()
        load(sides, options)
        print(f"scale {options.scale:g}: made and loaded in "
              f"{time.perf_counter() - start:.1f} s", file=sys.stderr)
    queries = fit_to_scale(read_queries(), options.scale)
    numbers = options.queries or sorted(queries)
    bound = parameters(options.scale)
    for number in numbers:
        for turn in range(options.rounds):
            for side in sides if turn % 2 == 0 else sides[::-1]:
                side.run(number, queries[number], bound, options.timeout)
        print(f"query {number}: " + ", ".join(
            f"{side.name} {statistics.median(side.seconds[number]):.3f} s"
            for side in sides), file=sys.stderr)
        if options.plans:
            for side in sides:
                print(f"{side.name}:\n{side.plan(queries[number], bound)}",
                      file=sys.stderr)
    table, wrong = report(numbers, nori, ordinary, options)
    print(table, end="")
    if options.out:
        pathlib.Path(options.out).write_text(table, encoding="utf-8")
    for side in sides:
        side.db.close()
    if not options.keep and not options.reuse:
        shutil.rmtree(folder)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

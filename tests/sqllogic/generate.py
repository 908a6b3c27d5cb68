#!/usr/bin/env python3
"""Writes the random files random_*.test, without results.

Usage: generate.py [FOLDER]

The same files at every run. Afterwards sqllogic_runner fills in what ordinary
tables give (see README.md here). Queries have one right answer: their order is
total or they are sorted, sums are of numbers that add exactly, and there is
nothing in which SQLite itself treats virtual tables otherwise.
"""

import pathlib
import random
import sys

HEADER = "# Made by generate.py.\n\nhash-threshold 12\n\n"
QUERIES = 150

# Tables: columns with the kind of their values; the key last in the definition.
TABLES = {
    "r": ("id INTEGER PRIMARY KEY, i INTEGER, f REAL, s TEXT, x",
          {"id": "id", "i": "int", "f": "real", "s": "text", "x": "any"}),
    "c": ("a INTEGER, b TEXT, d INTEGER, i INTEGER, s TEXT COLLATE NOCASE, "
          "PRIMARY KEY(a, b DESC, d)",
          {"a": "small", "b": "text", "d": "int", "i": "int", "s": "text"}),
    "n": ("k TEXT COLLATE NOCASE, j INTEGER, f REAL, x, PRIMARY KEY(k, j)",
          {"k": "text", "j": "small", "f": "real", "x": "any"}),
}
ALWAYS = {"c": {"a", "b", "d"}, "n": {"k", "j"}, "r": {"id"}}
WITHOUT_ROWID = {"c", "n"}


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.out = [HEADER]

    # --- values and expressions ---

    def number(self, kind):
        if kind == "id":
            return self.random.randint(1, 400)
        if kind == "small":
            return self.random.randint(0, 9)
        return self.random.choice([0, 1, -1, 7, self.random.randint(-50, 50),
                                   self.random.randint(-5000, 5000)])

    def text(self):
        letters = "abcABCxyz"
        return "'" + "".join(self.random.choice(letters)
                             for _ in range(self.random.randint(0, 3))) + "'"

    def literal(self, kind, null=True):
        if null and self.random.random() < 0.08:
            return "NULL"
        if kind == "real":
            return str(self.number("int") / 4)
        if kind == "text":
            return self.text()
        if kind == "any":
            return self.random.choice([
                str(self.number("int")), str(self.number("int") / 4),
                self.text(), f"x'{self.random.randint(0, 255):02x}'",
                f"'{self.number('int')}'"])
        return str(self.number(kind))

    # A literal that is compared with a column: mostly of its kind.
    def operand(self, kind):
        return self.literal(kind if self.random.random() < 0.85 else "any")

    def predicate(self, columns, prefix="", depth=0):
        chance = self.random.random()
        if depth < 2 and chance < 0.35:
            joiner = self.random.choice([" AND ", " AND ", " OR "])
            parts = [self.predicate(columns, prefix, depth + 1)
                     for _ in range(self.random.randint(2, 3))]
            return "(" + joiner.join(parts) + ")"
        if depth < 2 and chance < 0.4:
            return f"NOT {self.predicate(columns, prefix, depth + 1)}"
        name = self.random.choice(list(columns))
        kind = columns[name]
        column = prefix + name
        shape = self.random.randint(0, 9)
        if shape == 0:
            return f"{column} IS {self.random.choice(['', 'NOT '])}NULL"
        if shape == 1:
            low, high = self.operand(kind), self.operand(kind)
            return f"{column} BETWEEN {low} AND {high}"
        if shape == 2:
            values = [self.operand(kind)
                      for _ in range(self.random.randint(1, 6))]
            negated = self.random.choice(["", "", "", "NOT "])
            return f"{column} {negated}IN ({', '.join(values)})"
        if shape == 3 and kind == "text":
            pattern = self.text()[1:-1]
            return self.random.choice([
                f"{column} LIKE '{pattern}%'", f"{column} LIKE '_{pattern}%'",
                f"{column} GLOB '{pattern}*'"])
        if shape == 4:
            return f"{column} IS {self.operand(kind)}"
        if shape == 5 and kind != "text":
            return f"{column} + 1 > {self.number('int')}"
        operator = self.random.choice(["=", "=", "=", "<", "<=", ">", ">=",
                                       "<>"])
        return f"{column} {operator} {self.operand(kind)}"

    # --- records ---

    def statement(self, sql):
        self.out.append(f"statement ok\n{sql}\n\n")

    # Whether it fails depends on the rows: the results after it tell.
    def query(self, types, sql, sort="nosort"):
        self.out.append(f"query {types} {sort}\n{sql}\n----\n\n")

    def create(self, rows):
        for name, (definition, columns) in TABLES.items():
            suffix = " WITHOUT ROWID" if name in WITHOUT_ROWID else ""
            self.statement(f"CREATE TABLE {name}({definition}){suffix}")
            for start in range(0, rows, 50):
                values = []
                for row in range(start, min(start + 50, rows)):
                    cells = [str(row + 1) if kind == "id" else
                             self.literal(kind, column not in ALWAYS[name])
                             for column, kind in columns.items()]
                    values.append("(" + ", ".join(cells) + ")")
                self.statement(f"INSERT OR IGNORE INTO {name} VALUES"
                               + ", ".join(values))

    def ordering(self, columns, prefix=""):
        terms = list(columns)
        self.random.shuffle(terms)
        return ", ".join(prefix + term + self.random.choice(["", " DESC"])
                         for term in terms)

    def where(self):
        for _ in range(QUERIES):
            table = self.random.choice(list(TABLES))
            columns = TABLES[table][1]
            condition = self.predicate(columns)
            shape = self.random.randint(0, 3)
            if shape == 0:
                self.query("I", f"SELECT count(*) FROM {table} WHERE "
                           + condition)
            elif shape == 1:
                shown = self.random.sample(list(columns),
                                           self.random.randint(1, 3))
                cells = ", ".join(f"quote({c})" for c in shown)
                self.query("T" * len(shown), f"SELECT {cells} FROM {table} "
                           f"WHERE {condition}", "rowsort")
            else:
                limit = ""
                if self.random.random() < 0.6:
                    limit = f" LIMIT {self.random.randint(0, 12)}"
                    if self.random.random() < 0.5:
                        limit += f" OFFSET {self.random.randint(0, 20)}"
                # BINARY tells apart what NOCASE takes for equal.
                tail = "".join(f", {c} COLLATE BINARY" for c in columns)
                cells = ", ".join(f"quote({c})" for c in columns)
                self.query("T" * len(columns), f"SELECT {cells} FROM {table} "
                           f"WHERE {condition} ORDER BY "
                           f"{self.ordering(columns)}{tail}{limit}")

    def group(self):
        for _ in range(QUERIES):
            table = self.random.choice(list(TABLES))
            columns = TABLES[table][1]
            condition = self.predicate(columns)
            # Of 1 and 1.0, or what NOCASE takes for equal, any may be shown.
            candidates = [c for c in columns if columns[c] != "any"]
            by = self.random.sample(candidates, self.random.randint(1, 2))
            value = self.random.choice([c for c in columns
                                        if columns[c] in ("int", "small", "id",
                                                          "real")])
            shown = ", ".join(f"quote(upper({c}))" if columns[c] == "text"
                              else f"quote({c})" for c in by)
            having = self.random.choice(["", " HAVING count(*) > 1",
                                         f" HAVING max({value}) > 0"])
            folded = ", ".join(c + " COLLATE NOCASE" for c in by)
            self.query("T" * len(by) + "ITTT",
                       f"SELECT {shown}, count(*), quote(sum({value})), "
                       f"quote(min({value})), quote(max({value})) "
                       f"FROM {table} WHERE {condition} "
                       f"GROUP BY {folded}{having}", "rowsort")
            if self.random.random() < 0.3:
                self.query("ITT", f"SELECT count(DISTINCT {value}), "
                           f"quote(min({value})), quote(max({value})) "
                           f"FROM {table} WHERE {condition}")

    # The least or greatest value, shown the same whichever of equals it is.
    def one_of(self, function, column, kind):
        call = f"{function}({column})"
        if kind == "text":
            return f"upper({call})"
        return f"quote({call} + 0.0)" if kind == "any" else f"quote({call})"

    def join(self):
        pairs = [("r", "i", "c", "i"), ("r", "id", "c", "d"),
                 ("c", "a", "n", "j"), ("r", "s", "n", "k"),
                 ("n", "j", "c", "a"), ("c", "d", "r", "id"),
                 ("r", "f", "n", "f"), ("c", "b", "c", "b"),
                 ("r", "id", "r", "i"), ("n", "x", "r", "x")]
        for _ in range(QUERIES):
            left, column, right, other = self.random.choice(pairs)
            kind = self.random.choice(["JOIN", "JOIN", "LEFT JOIN", "JOIN",
                                       "RIGHT JOIN", "FULL JOIN"])
            on = f"p.{column} = q.{other}"
            if self.random.random() < 0.4:
                on += " AND " + self.predicate(TABLES[right][1], "q.", 1)
            condition = self.predicate(TABLES[left][1], "p.")
            if self.random.random() < 0.5:
                condition += " AND " + self.predicate(TABLES[right][1], "q.",
                                                      1)
            source = f"{left} p {kind} {right} q ON {on} WHERE {condition}"
            if self.random.random() < 0.5:
                low = self.one_of("min", "p." + column,
                                  TABLES[left][1][column])
                high = self.one_of("max", "q." + other,
                                   TABLES[right][1][other])
                self.query("ITT",
                           f"SELECT count(*), {low}, {high} FROM {source}")
            else:
                cells = ", ".join([f"quote(p.{c})" for c in TABLES[left][1]]
                                  + [f"quote(q.{c})" for c in
                                     TABLES[right][1]])
                count = len(TABLES[left][1]) + len(TABLES[right][1])
                self.query("T" * count, f"SELECT {cells} FROM {source}",
                           "rowsort")

    def change(self):
        for number in range(QUERIES):
            table = self.random.choice(list(TABLES))
            columns = TABLES[table][1]
            condition = self.predicate(columns)
            free = [c for c in columns if c not in ALWAYS[table]]
            column = self.random.choice(free)
            value = self.random.choice([self.literal(columns[column]),
                                        f"-{column}",
                                        self.random.choice(free)])
            shape = self.random.randint(0, 5)
            if number % 10 == 0:
                self.statement("BEGIN")
            if number % 10 == 4:
                self.statement("SAVEPOINT s")
            if shape == 0:
                self.statement(f"DELETE FROM {table} WHERE {condition} AND "
                               + self.predicate(columns))
            elif shape <= 2:
                self.statement(f"UPDATE {table} SET {column} = {value} WHERE "
                               + condition)
            else:
                rows = ["(" + ", ".join(
                    self.literal(kind, c not in ALWAYS[table])
                    for c, kind in columns.items()) + ")"
                    for _ in range(self.random.randint(1, 12))]
                clause = self.random.choice(["OR IGNORE", "OR REPLACE"])
                self.statement(f"INSERT {clause} INTO {table} VALUES"
                               + ", ".join(rows))
            cells = ", ".join(f"quote({c})" for c in columns)
            self.query("I", "SELECT changes()")
            self.query("T" * len(columns), f"SELECT {cells} FROM {table}",
                       "rowsort")
            if number % 10 == 8:
                self.statement(self.random.choice(["ROLLBACK TO s",
                                                   "RELEASE s"]))
            if number % 10 == 9:
                self.statement(self.random.choice(["COMMIT", "COMMIT",
                                                   "ROLLBACK"]))


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else pathlib.Path(__file__).parent)
    for seed, (name, rows) in enumerate(
            {"where": 350, "group": 350, "join": 120, "change": 150}.items()):
        generator = Generator(f"{name} {seed}")
        generator.create(rows)
        getattr(generator, name)()
        text = "".join(generator.out).rstrip("\n") + "\n"
        (folder / f"random_{name}.test").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

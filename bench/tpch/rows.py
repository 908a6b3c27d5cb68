#!/usr/bin/env python3
"""Rows of the TPC-H schema, made after the rules of its specification.

Usage: rows.py SCALE FOLDER    writes FOLDER/TABLE.csv for each table

Scale 1 is 6,000,000 rows of lineitem. The same scale gives the same rows,
whatever is asked for first. Keys, ranges, distributions and the relations
between columns (clause 4.2.3 of the specification) are followed; comments are
cut from a text of the specification's vocabulary, but not with its grammar, so
that answers differ in detail from those of dbgen.
"""

import csv
import datetime
import pathlib
import random
import sys

REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
NATIONS = [  # name, region; the key is the position
    ("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1),
    ("EGYPT", 4), ("ETHIOPIA", 0), ("FRANCE", 3), ("GERMANY", 3),
    ("INDIA", 2), ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2),
    ("JORDAN", 4), ("KENYA", 0), ("MOROCCO", 0), ("MOZAMBIQUE", 0),
    ("PERU", 1), ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4),
    ("VIETNAM", 2), ("RUSSIA", 3), ("UNITED KINGDOM", 3),
    ("UNITED STATES", 1)]
COLORS = """almond antique aquamarine azure beige bisque black blanched blue
blush brown burlywood burnished chartreuse chiffon chocolate coral cornflower
cornsilk cream cyan dark deep dim dodger drab firebrick floral forest frosted
gainsboro ghost goldenrod green grey honeydew hot indian ivory khaki lace
lavender lawn lemon light lime linen magenta maroon medium metallic midnight
mint misty moccasin navajo navy olive orange orchid pale papaya peach peru pink
plum powder puff purple red rose rosy royal saddle salmon sandy seashell sienna
sky slate smoke snow spring steel tan thistle tomato turquoise violet wheat
white yellow""".split()
TYPES = [f"{a} {b} {c}"
         for a in ["STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"]
         for b in ["ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"]
         for c in ["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"]]
CONTAINERS = [f"{a} {b}" for a in ["SM", "LG", "MED", "JUMBO", "WRAP"]
              for b in ["CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN",
                        "DRUM"]]
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
INSTRUCTIONS = ["DELIVER IN PERSON", "COLLECT COD", "NONE",
                "TAKE BACK RETURN"]
MODES = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]
WORDS = """foxes ideas theodolites pinto beans instructions dependencies excuses
platelets asymptotes courts dolphins multipliers sauternes warthogs frets dinos
attainments somas braids hockey players frays warhorses dugouts notornis epitaphs
pearls tithes waters orbits gifts sheaves depths sentiments decoys realms pains
grouches escapades sleep wake are cajole haggle nag use boost affix detect
integrate maintain nod was lose sublate solve thrash promise engage hinder print
breach eat grow impress mold poach serve run dazzle snooze doze unwind kindle play
hang believe doubt furious sly careful blithe quick fluffy slow quiet ruthless
thin close dogged daring brave stealthy permanent enticing idle busy regular final
ironic even bold silent special requests packages accounts deposits unusual express
pending foxes accounts packages requests deposits theodolites special ironic regular
about above according to across after against along among around at atop before
behind beneath beside besides between beyond by despite during except for from in
inside instead of into near of on outside over past since through throughout toward
under until up upon without with within""".split()

FIRST_DAY = datetime.date(1992, 1, 1)
LAST_DAY = datetime.date(1998, 12, 31)
TODAY = (datetime.date(1995, 6, 17) - FIRST_DAY).days
DAYS = [(FIRST_DAY + datetime.timedelta(days=day)).isoformat()
        for day in range((LAST_DAY - FIRST_DAY).days + 1)]
LAST_ORDER = len(DAYS) - 1 - 151


def count_of(table, scale):
    """The rows of a table; of lineitem, the orders that have them."""
    base = {"region": 5, "nation": 25}
    if table in base:
        return base[table]
    at_one = {"supplier": 10_000, "part": 200_000, "customer": 150_000,
              "orders": 1_500_000, "lineitem": 1_500_000,
              "partsupp": 200_000}
    return max(1, round(at_one[table] * scale))


class Source:
    """Random values for one table."""

    POOL_BYTES = 300_000

    def __init__(self, table):
        self.random = random.Random(f"nori tpch {table}")
        words = random.Random("nori tpch text")
        pieces, length = [], 0
        while length < self.POOL_BYTES:
            piece = words.choice(WORDS)
            piece += words.choice(["", "", "", "", "", "", ".", ",", "ly"])
            pieces.append(piece)
            length += len(piece) + 1
        self.pool = " ".join(pieces)

    def between(self, low, high):
        """A whole number, both ends included."""
        return low + int(self.random.random() * (high - low + 1))

    def text(self, low, high):
        start = int(self.random.random() * (len(self.pool) - high))
        return self.pool[start:start + self.between(low, high)]

    def address(self):
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,0123456789 "
        return "".join(self.random.choices(letters, k=self.between(10, 40)))

    def phone(self, nation):
        return (f"{10 + nation}-{self.between(100, 999)}-"
                f"{self.between(100, 999)}-{self.between(1000, 9999)}")

    def money(self, low_cents, high_cents):
        return self.between(low_cents, high_cents) / 100


def retail_cents(part):
    return 90_000 + (part // 10) % 20_001 + 100 * (part % 1_000)


def supplier_of(part, which, suppliers):
    """The which-th (0 to 3) of a part's suppliers."""
    step = suppliers // 4 + (part - 1) // suppliers
    return (part + which * step) % suppliers + 1


def region(_):
    source = Source("region")
    for key, name in enumerate(REGIONS):
        yield key, name, source.text(31, 115)


def nation(_):
    source = Source("nation")
    for key, (name, of_region) in enumerate(NATIONS):
        yield key, name, of_region, source.text(31, 114)


def supplier(scale):
    source = Source("supplier")
    total = count_of("supplier", scale)
    # Five of 10,000 get complaints, five recommendations.
    marked = max(1, total * 5 // 10_000)
    special = source.random.sample(range(1, total + 1), min(2 * marked, total))
    remarks = {key: "Complaints" if i < marked else "Recommends"
               for i, key in enumerate(special)}
    for key in range(1, total + 1):
        of_nation = source.between(0, 24)
        comment = source.text(25, 100)
        if key in remarks:
            comment = f"{comment[:12]} Customer {comment[12:24]} {remarks[key]}"
        yield (key, f"Supplier#{key:09}", source.address(), of_nation,
               source.phone(of_nation), source.money(-99_999, 999_999),
               comment)


def part(scale):
    source = Source("part")
    for key in range(1, count_of("part", scale) + 1):
        maker = source.between(1, 5)
        yield (key, " ".join(source.random.sample(COLORS, 5)),
               f"Manufacturer#{maker}",
               f"Brand#{maker}{source.between(1, 5)}",
               source.random.choice(TYPES), source.between(1, 50),
               source.random.choice(CONTAINERS), retail_cents(key) / 100,
               source.text(5, 22))


def partsupp(scale):
    source = Source("partsupp")
    suppliers = count_of("supplier", scale)
    for key in range(1, count_of("part", scale) + 1):
        used = set()
        for which in range(4):
            of_supplier = supplier_of(key, which, suppliers)
            if of_supplier in used:
                continue  # fewer than four suppliers in all
            used.add(of_supplier)
            yield (key, of_supplier, source.between(1, 9_999),
                   source.money(100, 100_000), source.text(49, 198))


def customer(scale):
    source = Source("customer")
    for key in range(1, count_of("customer", scale) + 1):
        of_nation = source.between(0, 24)
        yield (key, f"Customer#{key:09}", source.address(), of_nation,
               source.phone(of_nation), source.money(-99_999, 999_999),
               source.random.choice(SEGMENTS), source.text(29, 116))


def order_with_lines(scale):
    """Pairs of a row of orders and the list of its rows of lineitem."""
    source = Source("orders")
    between, choice = source.between, source.random.choice
    customers = count_of("customer", scale)
    suppliers = count_of("supplier", scale)
    parts = count_of("part", scale)
    clerks = max(1, round(1_000 * scale))
    for number in range(count_of("orders", scale)):
        # The first eight of every 32 keys are used.
        key = number // 8 * 32 + number % 8 + 1
        buyer = between(1, customers)
        while buyer % 3 == 0 and customers > 2:  # a third buys nothing
            buyer = between(1, customers)
        ordered = between(0, LAST_ORDER)
        lines, open_lines, total = [], 0, 0.0
        for line in range(1, between(1, 7) + 1):
            of_part = between(1, parts)
            quantity = between(1, 50)
            price = quantity * retail_cents(of_part)
            discount, tax = between(0, 10), between(0, 8)
            shipped = ordered + between(1, 121)
            received = shipped + between(1, 30)
            is_open = shipped > TODAY
            open_lines += is_open
            total += price * (100 + tax) * (100 - discount) / 10_000
            flag = choice("RA") if received <= TODAY else "N"
            lines.append((
                key, of_part, supplier_of(of_part, between(0, 3), suppliers),
                line, quantity, price / 100, discount / 100, tax / 100, flag,
                "O" if is_open else "F", DAYS[shipped],
                DAYS[ordered + between(30, 90)], DAYS[received],
                choice(INSTRUCTIONS), choice(MODES), source.text(10, 43)))
        status = ("O" if open_lines == len(lines) else
                  "P" if open_lines else "F")
        yield ((key, buyer, status, round(total) / 100, DAYS[ordered],
                choice(PRIORITIES), f"Clerk#{between(1, clerks):09}", 0,
                source.text(19, 78)), lines)


def orders(scale):
    for order, _ in order_with_lines(scale):
        yield order


def lineitem(scale):
    for _, lines in order_with_lines(scale):
        yield from lines


TABLES = {"region": region, "nation": nation, "supplier": supplier,
          "part": part, "partsupp": partsupp, "customer": customer,
          "orders": orders, "lineitem": lineitem}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for table, make in TABLES.items():
        with open(folder / f"{table}.csv", "w", newline="",
                  encoding="utf-8") as out:
            csv.writer(out).writerows(make(float(sys.argv[1])))


if __name__ == "__main__":
    main()

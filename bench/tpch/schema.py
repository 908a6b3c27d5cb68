"""The TPC-H schema for SQLite: columns, keys and the usual indexes."""

# name: (columns, key, {index: columns})
TABLES = {
    "region": ("""r_regionkey INTEGER PRIMARY KEY, r_name TEXT NOT NULL,
        r_comment TEXT""", None, {}),
    "nation": ("""n_nationkey INTEGER PRIMARY KEY, n_name TEXT NOT NULL,
        n_regionkey INTEGER NOT NULL, n_comment TEXT""", None,
               {"nation_region": "n_regionkey"}),
    "supplier": ("""s_suppkey INTEGER PRIMARY KEY, s_name TEXT NOT NULL,
        s_address TEXT NOT NULL, s_nationkey INTEGER NOT NULL,
        s_phone TEXT NOT NULL, s_acctbal REAL NOT NULL,
        s_comment TEXT NOT NULL""", None,
                 {"supplier_nation": "s_nationkey"}),
    "part": ("""p_partkey INTEGER PRIMARY KEY, p_name TEXT NOT NULL,
        p_mfgr TEXT NOT NULL, p_brand TEXT NOT NULL, p_type TEXT NOT NULL,
        p_size INTEGER NOT NULL, p_container TEXT NOT NULL,
        p_retailprice REAL NOT NULL, p_comment TEXT NOT NULL""", None, {}),
    "partsupp": ("""ps_partkey INTEGER NOT NULL, ps_suppkey INTEGER NOT NULL,
        ps_availqty INTEGER NOT NULL, ps_supplycost REAL NOT NULL,
        ps_comment TEXT NOT NULL""", "ps_partkey, ps_suppkey",
                 {"partsupp_supplier": "ps_suppkey"}),
    "customer": ("""c_custkey INTEGER PRIMARY KEY, c_name TEXT NOT NULL,
        c_address TEXT NOT NULL, c_nationkey INTEGER NOT NULL,
        c_phone TEXT NOT NULL, c_acctbal REAL NOT NULL,
        c_mktsegment TEXT NOT NULL, c_comment TEXT NOT NULL""", None,
                 {"customer_nation": "c_nationkey"}),
    "orders": ("""o_orderkey INTEGER PRIMARY KEY, o_custkey INTEGER NOT NULL,
        o_orderstatus TEXT NOT NULL, o_totalprice REAL NOT NULL,
        o_orderdate TEXT NOT NULL, o_orderpriority TEXT NOT NULL,
        o_clerk TEXT NOT NULL, o_shippriority INTEGER NOT NULL,
        o_comment TEXT NOT NULL""", None,
               {"orders_customer": "o_custkey", "orders_date": "o_orderdate"}),
    "lineitem": ("""l_orderkey INTEGER NOT NULL, l_partkey INTEGER NOT NULL,
        l_suppkey INTEGER NOT NULL, l_linenumber INTEGER NOT NULL,
        l_quantity REAL NOT NULL, l_extendedprice REAL NOT NULL,
        l_discount REAL NOT NULL, l_tax REAL NOT NULL,
        l_returnflag TEXT NOT NULL, l_linestatus TEXT NOT NULL,
        l_shipdate TEXT NOT NULL, l_commitdate TEXT NOT NULL,
        l_receiptdate TEXT NOT NULL, l_shipinstruct TEXT NOT NULL,
        l_shipmode TEXT NOT NULL, l_comment TEXT NOT NULL""",
                 "l_orderkey, l_linenumber",
                 {"lineitem_part": "l_partkey, l_suppkey",
                  "lineitem_supplier": "l_suppkey",
                  "lineitem_shipped": "l_shipdate"}),
}


def columns_of(table):
    """The number of columns."""
    return TABLES[table][0].count(",") + 1


def ordinary(table, indexes, without_rowid):
    """The statements that make a table as SQLite's own; indexes apart, so that
    they can be made when the rows are there."""
    columns, key, named = TABLES[table]
    tail = f", PRIMARY KEY ({key})" if key else ""
    suffix = " WITHOUT ROWID" if key and without_rowid else ""
    create = f"CREATE TABLE {table}({columns}{tail}){suffix}"
    return create, [f"CREATE INDEX {name} ON {table}({on})"
                    for name, on in named.items() if indexes]


def nori(table, indexes, options):
    """The statement that makes a nori table."""
    columns, key, named = TABLES[table]
    parts = [columns]
    if key:
        parts.append(f"PRIMARY KEY ({key})")
    if indexes:
        parts += [f"INDEX {name} ({on})" for name, on in named.items()]
    parts += options
    return f"CREATE VIRTUAL TABLE {table} USING nori({', '.join(parts)})"

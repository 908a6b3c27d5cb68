#!/usr/bin/env bash
# nori tables in the stock sqlite3 shell. See README.md here.
#
# Usage: shell.sh path/to/nori_lsm.so
set -euo pipefail
extension=$(realpath "$1")
scripts=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/..

fail() {
  printf 'shell.sh: %s\n' "$@" >&2
  exit 1
}
# expect NAME TEXT: the text on standard input, line by line.
expect() {
  local got
  got=$(cat)
  [[ $got == "$2" ]] || fail "$1: expected:" "$2" "but got:" "$got"
}
# shell DATABASE [ARGUMENT...]: the shell with nori loaded, commands from stdin. What it
# prints is looked at, so an error there is no error here.
shell() {
  sqlite3 -batch -cmd ".load $extension" "$@" 2>&1 || true
}

# .import: fields arrive as text and get the affinity of their columns.
cat >birds.csv <<'CSV'
id,name,grams,seen
3,"Great tit",18.5,2024-05-01
1,Wren,9,2024-04-30
2,"Owl, tawny",475,
CSV
shell my.db <<'SQL' | expect ".import" $'wal\nid|name|typeof(id)|grams|typeof(grams)\n1|Wren|integer|9.0|real\n2|Owl, tawny|integer|475.0|real\n3|Great tit|integer|18.5|real'
PRAGMA journal_mode = WAL;
.headers on
CREATE VIRTUAL TABLE birds USING nori(id INTEGER PRIMARY KEY, name TEXT NOT NULL, grams REAL, seen TEXT, block_bytes = 1024);
.import --csv --skip 1 birds.csv birds
SELECT id, name, typeof(id), grams, typeof(grams) FROM birds ORDER BY id;
SQL

# Modes that show rows otherwise.
shell my.db <<'SQL' | expect ".mode" $'[{"id":1,"name":"Wren"},\n{"id":3,"name":"Great tit"}]\n1\tWren\n| id |   name    |\n|----|-----------|\n| 3  | Great tit |\nINSERT INTO birds VALUES(1,\'Wren\',9.0,\'2024-04-30\');'
.mode json
SELECT id, name FROM birds WHERE grams < 100 ORDER BY id;
.mode tabs
SELECT id, name FROM birds WHERE id = 1;
.mode markdown
SELECT id, name FROM birds WHERE id = 3;
.mode insert birds
SELECT * FROM birds WHERE id = 1;
SQL

# What the shell tells about the schema. A key of nori's is no index of SQLite's.
shell my.db <<'SQL' | expect ".schema" $'CREATE VIRTUAL TABLE birds USING nori(id INTEGER PRIMARY KEY, name TEXT NOT NULL, grams REAL, seen TEXT, block_bytes = 1024)\n/* birds(id,name,grams,seen) */;\nbirds'
.schema birds
.indexes birds
.tables birds
SQL

# A row that breaks a constraint is reported by number, the others stay.
printf '4,Robin,16,\n5,,1,\n1,Wren again,9,\n' >more.csv
shell my.db <<'SQL' | expect ".import with errors" $'more.csv:3: INSERT failed: UNIQUE constraint failed: birds.id\n1|Wren\n2|Owl, tawny\n3|Great tit\n4|Robin\n5|'
.import --csv more.csv birds
SELECT id, name FROM birds ORDER BY id;
SQL

# Defensive mode: the schema cannot be written by hand, the tables work.
shell my.db <<'SQL' | expect ".dbconfig defensive" $'          defensive on\nParse error near line 3: table sqlite_master may not be modified\n5'
.dbconfig defensive on
PRAGMA writable_schema = 1;
UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE birds USING nori(x)' WHERE name = 'birds';
INSERT OR REPLACE INTO birds VALUES(5, 'Kestrel', 200, NULL);
SELECT count(*) FROM birds;
SQL

# The stock .dump holds no rows of virtual tables. What it restores says so.
shell my.db .dump >stock.sql
if grep -q Wren stock.sql; then fail "the stock .dump has rows"; fi
shell restored.db <stock.sql | expect "restoring" ""
shell restored.db 'SELECT * FROM birds' >message
grep -q 'restored.db-nori is missing: it holds the rows' message ||
  fail "a restored dump says: $(cat message)"
# Without the extension the message is SQLite's.
{ sqlite3 -batch restored.db 'SELECT * FROM birds' 2>&1 || true; } |
  expect "without the extension" "Error: in prepare, no such module: nori"

# dump.sh prints all of it: rows, options of the engine, what is not nori's.
shell my.db <<'SQL' | expect "more to dump" ""
CREATE VIRTUAL TABLE "odd ""name""" USING nori(rowid, "it's" BLOB);
INSERT INTO "odd ""name""" VALUES('a' || char(0) || 'b', x'00ff'), (9e999, -9e999), (0.1, NULL);
CREATE VIRTUAL TABLE pairs USING nori(a, b TEXT COLLATE NOCASE, PRIMARY KEY(b DESC, a));
INSERT INTO pairs VALUES(1, 'x'), (2, 'Y''s');
CREATE TABLE "100%_\plain"(x INTEGER PRIMARY KEY AUTOINCREMENT, y);
INSERT INTO "100%_\plain"(y) VALUES('ordinary');
CREATE INDEX plain_y ON "100%_\plain"(y);
CREATE VIEW heavy AS SELECT name FROM birds WHERE grams > 100;
CREATE TRIGGER plain_insert AFTER INSERT ON "100%_\plain" BEGIN INSERT INTO birds(name) VALUES(new.y); END;
SQL
"$scripts/dump.sh" my.db "$extension" >whole.sql
sqlite3 -batch -bail -cmd ".load $extension" whole.db ".read whole.sql"
"$scripts/dump.sh" whole.db "$extension" >again.sql
cmp whole.sql again.sql || fail "a restored dump gives another dump"
shell whole.db <<'SQL' | expect "the restored dump" $'Kestrel\nOwl, tawny\n1|610062|X\'00FF\'\n2|496E66|-Inf\n3|302E31|NULL\n2|Y\'s\n1|x\n1\n1024\nok'
SELECT * FROM heavy ORDER BY name;
SELECT _rowid_, hex(rowid), quote("it's") FROM "odd ""name""" ORDER BY _rowid_;
SELECT * FROM pairs;
SELECT count(*) FROM "100%_\plain";
SELECT value FROM nori_options WHERE name = 'block_bytes';
SELECT nori_verify();
SQL

echo ok

#!/usr/bin/env bash
# Makes the golden files of the format version that the extension writes: two
# small databases that every later version must read. Run it once for each format
# version and never again: a file made anew is no proof about the old ones.
#
#   tests/golden/make.sh build/nori_lsm.so tests/golden/v1
#
# Usage: tests/golden/make.sh EXTENSION NEW_FOLDER
# tests/vtab/golden_test.cc says what is in them.
set -euo pipefail

if (($# != 2)) || [[ ! -f $1 || -e $2 ]]; then
  sed -n '2,/^set/{/^#/p}' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
extension=$(realpath "${1%.so}")
mkdir -p "$2"
cd "$2"

# Runs the SQL of standard input in the database $1, each call in a process of
# its own: what it has not flushed stays in the log.
run() { sqlite3 -batch -bail :memory: ".load '$extension'" ".open '$1'" ".read /dev/stdin" >/dev/null; }

run tables.db <<'SQL'
CREATE VIRTUAL TABLE people USING nori(
  id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE NOT NULL, score REAL, note,
  INDEX by_name (name, score DESC), compression = 'zstd', block_bytes = 1024);
CREATE VIRTUAL TABLE visits USING nori(
  place TEXT COLLATE NOCASE, day INTEGER, n REAL, PRIMARY KEY (place, day DESC));
CREATE VIRTUAL TABLE log USING nori(line TEXT UNIQUE);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60)
  INSERT INTO people
  SELECT i, 'Name' || (i % 7), i / 4.0, CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN x'00ff' ELSE 'n' || i END FROM c;
INSERT INTO visits VALUES ('Attic', 1, 1), ('attic', 2, 2.5), ('Cellar', -9223372036854775808, -0.5),
  ('Cellar', 9223372036854775807, 1e300), ('', 0, NULL);
SELECT nori_flush();
SELECT nori_snapshot('first');
DELETE FROM people WHERE id BETWEEN 11 AND 20;
UPDATE people SET score = -score WHERE id = 5;
INSERT INTO log VALUES ('one'), ('two'), (NULL), (NULL);
SELECT nori_flush();
SQL
run tables.db <<'SQL'
SELECT nori_create_index('visits', 'by_n', 'n');
INSERT INTO log VALUES ('three');
DELETE FROM log WHERE line = 'one';
CREATE TABLE plain(a);
BEGIN;
INSERT INTO plain VALUES ('with a nori row');
INSERT INTO log VALUES ('with a plain row');
COMMIT;
SQL

run 'file:pages.db?vfs=nori' <<'SQL'
CREATE TABLE plain(a INTEGER PRIMARY KEY, b TEXT UNIQUE);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20)
  INSERT INTO plain SELECT i, 'b' || i FROM c;
PRAGMA nori_snapshot = 'first';
PRAGMA nori_flush;
SQL
run 'file:pages.db?vfs=nori' <<'SQL'
BEGIN;
DELETE FROM plain WHERE a > 15;
INSERT INTO plain VALUES (100, 'last');
COMMIT;
SQL

# Names a process that has ended, and is made at every opening.
rm -f -- *-nori/LOCK
du -ab .

-- Secondary indexes and unique constraints, with SQLite's own codes and
-- messages: what is said of t is said of the ordinary table n.
CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, a TEXT UNIQUE, b,
  c COLLATE NOCASE, CONSTRAINT bc UNIQUE(b, c DESC), INDEX by_c(c DESC, a),
  UNIQUE INDEX by_a_b("a" COLLATE NOCASE, b));
CREATE TABLE n(id INTEGER PRIMARY KEY, a TEXT UNIQUE, b,
  c COLLATE NOCASE, CONSTRAINT bc UNIQUE(b, c DESC));
CREATE INDEX by_c ON n(c DESC, a);
CREATE UNIQUE INDEX by_a_b ON n("a" COLLATE NOCASE, b);
INSERT INTO t VALUES(1, 'x', 1, 'q'), (2, 'y', 1, 'r'), (3, NULL, NULL, 'q'), (4, NULL, NULL, 'q');
INSERT INTO n SELECT * FROM t;
-- each constraint by itself, and which of several is named
INSERT INTO t VALUES(5, 'x', 9, 9);
INSERT INTO n VALUES(5, 'x', 9, 9);
INSERT INTO t VALUES(5, 'z', 1, 'Q');
INSERT INTO n VALUES(5, 'z', 1, 'Q');
INSERT INTO t VALUES(5, 'X', 1, 's');
INSERT INTO n VALUES(5, 'X', 1, 's');
INSERT INTO t VALUES(5, 'x', 1, 'Q');
INSERT INTO n VALUES(5, 'x', 1, 'Q');
INSERT INTO t VALUES(1, 'x', 1, 'Q');
INSERT INTO n VALUES(1, 'x', 1, 'Q');
UPDATE t SET a = 'y' WHERE id = 1;
UPDATE n SET a = 'y' WHERE id = 1;
-- not in its own way
UPDATE t SET a = 'X', c = 'Q' WHERE id = 1;
UPDATE n SET a = 'X', c = 'Q' WHERE id = 1;
-- a statement that fails leaves nothing
INSERT INTO t VALUES(10, 'k', 2, 2), (11, 'l', 2, 2);
INSERT OR FAIL INTO t VALUES(10, 'k', 2, 2), (11, 'l', 2, 2), (12, 'm', 3, 3);
INSERT OR FAIL INTO n VALUES(10, 'k', 2, 2), (11, 'l', 2, 2), (12, 'm', 3, 3);
INSERT OR IGNORE INTO t VALUES(13, 'k', 3, 3), (14, 'o', 4, 4);
SELECT changes();
INSERT OR IGNORE INTO n VALUES(13, 'k', 3, 3), (14, 'o', 4, 4);
SELECT changes();
-- REPLACE removes every row in the way: by id, by a, by (b, c)
INSERT OR REPLACE INTO t VALUES(1, 'y', 2, '2');
INSERT OR REPLACE INTO n VALUES(1, 'y', 2, '2');
INSERT OR REPLACE INTO t VALUES(1, 'y', 2, 2);
INSERT OR REPLACE INTO n VALUES(1, 'y', 2, 2);
SELECT * FROM t;
SELECT count(*) FROM (SELECT * FROM t EXCEPT SELECT * FROM n);
SELECT count(*) FROM (SELECT * FROM n EXCEPT SELECT * FROM t);
UPDATE OR REPLACE t SET a = 'o', b = 5 WHERE id = 1;
UPDATE OR REPLACE n SET a = 'o', b = 5 WHERE id = 1;
SELECT * FROM t;
SELECT count(*) FROM (SELECT * FROM n EXCEPT SELECT * FROM t);
SELECT nori_verify();
-- savepoints and rollback undo entries too
BEGIN;
INSERT INTO t VALUES(20, 'p', 6, 6);
SAVEPOINT s;
DELETE FROM t WHERE a = 'p';
INSERT INTO t VALUES(21, 'p', 6, 6);
ROLLBACK TO s;
INSERT INTO t VALUES(21, 'p', 7, 7);
INSERT INTO t VALUES(21, 'q', 7, 7);
SELECT nori_verify();
ROLLBACK;
INSERT INTO t VALUES(22, 'p', 6, 6), (23, 'q', 7, 7);
SELECT nori_verify();
-- a key that is an index among the others
CREATE VIRTUAL TABLE k USING nori(a TEXT PRIMARY KEY, b UNIQUE, c UNIQUE);
CREATE TABLE m(a TEXT PRIMARY KEY, b UNIQUE, c UNIQUE) WITHOUT ROWID;
INSERT INTO k VALUES('a', 1, 1), ('b', 2, 2);
INSERT INTO m VALUES('a', 1, 1), ('b', 2, 2);
INSERT INTO k VALUES('a', 1, 3);
INSERT INTO m VALUES('a', 1, 3);
INSERT INTO k VALUES('a', 3, 3);
INSERT INTO m VALUES('a', 3, 3);
INSERT INTO k VALUES('c', 1, 2);
INSERT INTO m VALUES('c', 1, 2);
REPLACE INTO k VALUES('c', 1, 2);
SELECT * FROM k;
UPDATE k SET a = 'd';
SELECT nori_verify();
-- what the schema shows
.schema t
.indexes t
PRAGMA index_list(t);
PRAGMA integrity_check;
ALTER TABLE t RENAME TO u;
INSERT INTO u VALUES(24, 'q', 8, 8);
DROP TABLE u;
CREATE VIRTUAL TABLE u USING nori(a, b, INDEX i(b), INDEX I(a));
CREATE VIRTUAL TABLE u USING nori(a, b, INDEX i(c));
CREATE VIRTUAL TABLE u USING nori(a, b, UNIQUE(a + b));
SELECT nori_verify();

-- CHECK, DEFAULT, STRICT, REFERENCES: what is said of t is said of the
-- ordinary table n.
CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY,
  a INTEGER NOT NULL DEFAULT 7 CHECK(a > 0), b TEXT COLLATE NOCASE
  CONSTRAINT short CHECK(length(b) < 5), c DEFAULT (1 + 1) NOT NULL,
  CHECK(b <> 'bad' AND t.a < 1000), CONSTRAINT id_small CHECK(rowid < 100));
CREATE TABLE n(id INTEGER PRIMARY KEY,
  a INTEGER NOT NULL DEFAULT 7 CHECK(a > 0), b TEXT COLLATE NOCASE
  CONSTRAINT short CHECK(length(b) < 5), c DEFAULT (1 + 1) NOT NULL,
  CHECK(b <> 'bad' AND n.a < 1000), CONSTRAINT id_small CHECK(rowid < 100));
INSERT INTO t(b) VALUES('x'), (NULL);
INSERT INTO n(b) VALUES('x'), (NULL);
INSERT INTO t(a, b) VALUES(0, 'x');
INSERT INTO n(a, b) VALUES(0, 'x');
INSERT INTO t(a, b) VALUES('-3', 'x');
INSERT INTO n(a, b) VALUES('-3', 'x');
INSERT INTO t(a, b) VALUES(1, 'too long');
INSERT INTO n(a, b) VALUES(1, 'too long');
INSERT INTO t(a, b) VALUES(1, 'BAD');
INSERT INTO n(a, b) VALUES(1, 'BAD');
INSERT INTO t(id, b) VALUES(100, 'x');
INSERT INTO n(id, b) VALUES(100, 'x');
UPDATE t SET a = a - 7;
UPDATE n SET a = a - 7;
UPDATE t SET id = id + 99;
UPDATE n SET id = id + 99;
INSERT OR IGNORE INTO t(a) VALUES(5), (-1), (6);
INSERT OR IGNORE INTO n(a) VALUES(5), (-1), (6);
INSERT OR REPLACE INTO t(id, a) VALUES(1, -1);
INSERT OR REPLACE INTO n(id, a) VALUES(1, -1);
INSERT OR REPLACE INTO t(id, a, b) VALUES(1, NULL, 'rep');
INSERT OR REPLACE INTO n(id, a, b) VALUES(1, NULL, 'rep');
-- an UPDATE says what it means
UPDATE t SET a = NULL WHERE id = 1;
UPDATE n SET a = NULL WHERE id = 1;
UPDATE OR REPLACE t SET a = NULL WHERE id = 1;
UPDATE OR REPLACE n SET a = NULL WHERE id = 1;
SELECT * FROM t;
SELECT count(*) FROM (SELECT * FROM n EXCEPT SELECT * FROM t);
-- rows from before, which an UPDATE of other columns leaves alone
PRAGMA ignore_check_constraints = on;
INSERT INTO t(id, a, b, c) VALUES(50, -5, 'much too long', 1);
INSERT INTO n(id, a, b, c) VALUES(50, -5, 'much too long', 1);
PRAGMA ignore_check_constraints = off;
UPDATE t SET c = 2 WHERE id = 50;
UPDATE n SET c = 2 WHERE id = 50;
UPDATE t SET b = 'x' WHERE id = 50;
UPDATE n SET b = 'x' WHERE id = 50;
-- the first that fails is named; errors of the evaluation
CREATE VIRTUAL TABLE e USING nori(a CHECK(a <> 1), b CHECK(abs(b) > 0));
CREATE TABLE f(a CHECK(a <> 1), b CHECK(abs(b) > 0));
INSERT INTO e VALUES(1, -9223372036854775808);
INSERT INTO f VALUES(1, -9223372036854775808);
INSERT INTO e VALUES(2, -9223372036854775808);
INSERT INTO f VALUES(2, -9223372036854775808);
INSERT INTO e VALUES(2, 'abc'), (3, NULL);
INSERT INTO f VALUES(2, 'abc'), (3, NULL);
INSERT INTO e VALUES(3, NULL);
-- after a rename
ALTER TABLE t RENAME TO u;
INSERT INTO u(a) VALUES(1001);
INSERT INTO u(a) VALUES(999);
-- defaults
CREATE VIRTUAL TABLE d0 USING nori(a NOT NULL DEFAULT (nosuch(1)));
INSERT INTO d0 VALUES(1);
INSERT INTO d0 VALUES(NULL);
CREATE VIRTUAL TABLE d USING nori(k INTEGER PRIMARY KEY, a NOT NULL DEFAULT -5,
  b TEXT NOT NULL DEFAULT 5, c NOT NULL DEFAULT x'0102', d NOT NULL DEFAULT abc,
  e NOT NULL DEFAULT (upper('e') || length(x'00')), f DEFAULT 9,
  g NOT NULL DEFAULT NULL);
INSERT INTO d(g) VALUES(1);
SELECT k, a, typeof(b), b, hex(c), d, e, f FROM d;
INSERT INTO d(k) VALUES(2);
CREATE VIRTUAL TABLE dt USING nori(a, t TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
INSERT INTO dt(a) VALUES(1);
SELECT length(t) FROM dt;
-- STRICT
CREATE VIRTUAL TABLE s USING nori(id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT,
  b BLOB, x ANY, CHECK(x <> 'no'), UNIQUE(t), STRICT);
CREATE TABLE z(id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, x ANY,
  CHECK(x <> 'no'), UNIQUE(t)) STRICT;
INSERT INTO s VALUES(1, '12', 3, 4, x'05', '006'), (2, 1.0, '1.5', NULL, NULL, 6);
INSERT INTO z VALUES(1, '12', 3, 4, x'05', '006'), (2, 1.0, '1.5', NULL, NULL, 6);
SELECT id, typeof(i), typeof(r), typeof(t), typeof(b), typeof(x) FROM s;
SELECT id, typeof(i), typeof(r), typeof(t), typeof(b), typeof(x) FROM z;
SELECT id FROM s WHERE x = 6;
SELECT id FROM z WHERE x = 6;
INSERT INTO s(i) VALUES('x');
INSERT INTO z(i) VALUES('x');
INSERT INTO s(i) VALUES(1.5);
INSERT INTO z(i) VALUES(1.5);
INSERT INTO s(r) VALUES('x');
INSERT INTO z(r) VALUES('x');
INSERT INTO s(t) VALUES(x'00');
INSERT INTO z(t) VALUES(x'00');
INSERT INTO s(b) VALUES('x');
INSERT INTO z(b) VALUES('x');
INSERT INTO s(id, b, x) VALUES(1, 'x', 'no');
INSERT INTO z(id, b, x) VALUES(1, 'x', 'no');
UPDATE s SET b = 1;
UPDATE z SET b = 1;
INSERT OR IGNORE INTO s(t) VALUES('ok'), (x'00');
INSERT OR IGNORE INTO z(t) VALUES('ok'), (x'00');
INSERT OR FAIL INTO s(t) VALUES('ok'), (x'00');
INSERT OR FAIL INTO z(t) VALUES('ok'), (x'00');
SELECT count(*) FROM s;
SELECT count(*) FROM z;
CREATE VIRTUAL TABLE s2 USING nori(a, STRICT);
CREATE VIRTUAL TABLE s2 USING nori(a VARCHAR, STRICT);
CREATE VIRTUAL TABLE s2 USING nori(a TEXT PRIMARY KEY, b ANY, STRICT, WITHOUT ROWID);
INSERT INTO s2 VALUES(1, '2');
SELECT typeof(a), typeof(b) FROM s2;
-- foreign keys are taken and not enforced, as SQLite's default is
PRAGMA foreign_keys = on;
CREATE VIRTUAL TABLE fk USING nori(a REFERENCES n(id) ON DELETE CASCADE, b,
  FOREIGN KEY(b) REFERENCES n);
INSERT INTO fk VALUES(12345, 67890);
-- what SQLite refuses in a definition
CREATE VIRTUAL TABLE w USING nori(a CHECK(nosuch > 0));
CREATE VIRTUAL TABLE w USING nori(a CHECK(nosuch(a)));
CREATE VIRTUAL TABLE w USING nori(a CHECK(a IN (SELECT 1)));
CREATE VIRTUAL TABLE w USING nori(a CHECK(count(a) > 0));
CREATE VIRTUAL TABLE w USING nori(a CHECK(a = ?1));
CREATE VIRTUAL TABLE w USING nori(a TEXT PRIMARY KEY, b CHECK(rowid > 0));
CREATE VIRTUAL TABLE w USING nori(a CHECK(other.a > 0));
CREATE VIRTUAL TABLE w USING nori(a DEFAULT (b), b);
CREATE VIRTUAL TABLE w USING nori(a, FOREIGN KEY(b) REFERENCES n);
CREATE VIRTUAL TABLE w USING nori(a CHECK(a > date('now')));
CREATE VIRTUAL TABLE w USING nori(a CHECK(a +));
CREATE VIRTUAL TABLE w USING nori(id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TEMP TABLE w(x);
CREATE VIRTUAL TABLE w USING nori(a CHECK(w.a > 0));
INSERT INTO main.w VALUES(0);
INSERT INTO main.w VALUES(1);
SELECT name FROM sqlite_schema WHERE name LIKE 'nori%' OR name = 'w' ORDER BY 1;
SELECT nori_verify();
DELETE FROM n;
PRAGMA integrity_check;

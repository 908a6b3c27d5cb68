-- Functions on schemas and tables.
CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v, memtable_bytes = 65536);
CREATE VIRTUAL TABLE k USING nori(tenant TEXT COLLATE NOCASE, n REAL, v, PRIMARY KEY(tenant DESC, n));
CREATE TABLE plain(a);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
INSERT INTO t SELECT i, hex(zeroblob(100)) FROM c;
INSERT INTO k SELECT 'tenant' || (id % 7), id, v FROM t;
-- names
SELECT nori_flush(), nori_flush('main');
SELECT nori_flush('t');
SELECT nori_flush(NULL);
SELECT nori_compact('t'), nori_compact('main'), nori_compact('main.t'), nori_compact('T', 10, 20), nori_compact('k', 'TENANT2', 'tenant4');
SELECT nori_compact('t', 20, 10), nori_compact('t', NULL, 10), nori_compact('t', 'x', NULL), nori_compact('k', NULL, NULL);
SELECT nori_compact('plain');
SELECT nori_compact('main', 1, 2);
SELECT nori_compact('nowhere.t');
SELECT nori_verify(), nori_verify('t'), nori_verify('k');
SELECT nori_verify('plain');
SELECT nori_estimate('t') BETWEEN 2000 AND 4000, nori_estimate('main.k') > 0;
SELECT nori_estimate('main');
-- what may be two things is asked back
ATTACH 'other.db' AS aux;
CREATE VIRTUAL TABLE aux.only USING nori(a);
CREATE VIRTUAL TABLE aux.t USING nori(a);
INSERT INTO aux.t VALUES (1), (2);
SELECT nori_compact('only'), nori_compact('aux'), nori_compact('aux.only');
CREATE VIRTUAL TABLE aux USING nori(a);
CREATE VIRTUAL TABLE "aux.t" USING nori(a);
SELECT nori_compact('aux');
SELECT nori_compact('aux.t');
SELECT nori_compact('main.aux'), nori_compact('main.aux.t'), nori_flush('aux');
DROP TABLE "aux.t";
DROP TABLE main.aux;
-- truncate
SELECT nori_truncate('aux.t'), (SELECT count(*) FROM aux.t), (SELECT count(*) FROM t);
INSERT INTO t(v) VALUES ('last');
SELECT last_insert_rowid();
BEGIN;
SELECT nori_truncate('t'), changes(), last_insert_rowid();
SELECT count(*) FROM t;
INSERT INTO t(v) VALUES ('first');
SELECT * FROM t;
ROLLBACK;
SELECT count(*), max(id) FROM t;
BEGIN;
SAVEPOINT s;
SELECT nori_truncate('k');
SELECT count(*) FROM k;
ROLLBACK TO s;
SELECT count(*) FROM k;
COMMIT;
SELECT count(*), count(*) = (SELECT count(*) - 1 FROM t) FROM k;
SELECT nori_truncate('t'), nori_truncate('k');
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM k);
INSERT INTO t(v) VALUES ('first');
SELECT * FROM t;
INSERT INTO k VALUES ('a', 1, 1);
SELECT * FROM k;
SELECT nori_truncate('plain');
PRAGMA query_only = 1;
SELECT nori_truncate('t');
PRAGMA query_only = 0;
SELECT count(*) FROM t;
-- after a refused one the next DELETE is an ordinary one
INSERT INTO t VALUES (10, 'ten');
DELETE FROM t WHERE id = 1;
SELECT * FROM t;
SELECT nori_verify();
-- not for the schema to call
CREATE VIEW danger AS SELECT nori_truncate('t');
SELECT * FROM danger;
-- rows are for triggers and views, also where the schema is not trusted
PRAGMA trusted_schema = 0;
CREATE VIEW rows_of_t AS SELECT * FROM t;
SELECT * FROM rows_of_t;
CREATE TRIGGER copy AFTER INSERT ON plain BEGIN INSERT INTO t(v) VALUES (new.a); END;
INSERT INTO plain VALUES ('from a trigger');
SELECT * FROM t;

-- Named snapshots: taking, reading as of, releasing.
CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v);
CREATE VIRTUAL TABLE k USING nori(name TEXT COLLATE NOCASE, part INT, v, PRIMARY KEY(name, part DESC));
INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO k VALUES ('Ann', 1, 10), ('Ann', 2, 20), ('bob', 1, 30);
SELECT nori_snapshot('before-import');
UPDATE t SET v = v || '!' WHERE id < 3;
DELETE FROM t WHERE id = 3;
INSERT INTO t VALUES (4, 'four');
UPDATE k SET v = v + 1; DELETE FROM k WHERE name = 'ANN' AND part = 2;
SELECT * FROM t;
SELECT * FROM t WHERE nori_snapshot = 'before-import';
SELECT id, v, nori_snapshot FROM t WHERE nori_snapshot = 'before-import' AND id >= 2 ORDER BY id DESC;
SELECT v FROM t WHERE id = 1 AND nori_snapshot = 'before-import';
SELECT * FROM k WHERE name = 'ann' AND nori_snapshot = 'before-import';
SELECT * FROM k('before-import') WHERE part = 1 ORDER BY name DESC;
SELECT max(v), count(*) FROM t('before-import');
-- the same table twice
SELECT now.id, now.v, old.v FROM t AS now JOIN t AS old ON old.id = now.id AND old.nori_snapshot = 'before-import';
SELECT id FROM t EXCEPT SELECT id FROM t('before-import');
SELECT id FROM t('before-import') EXCEPT SELECT id FROM t;
-- which snapshot comes from another table
CREATE TABLE wanted(name);
INSERT INTO wanted VALUES ('before-import'), (NULL);
SELECT w.name, t.v FROM wanted AS w JOIN t ON t.nori_snapshot = w.name ORDER BY t.id;
SELECT w.name, t.v FROM wanted AS w LEFT JOIN t ON t.nori_snapshot = w.name AND t.id = 3;
SELECT w.name, count(*) FROM wanted AS w JOIN t ON t.nori_snapshot IS w.name GROUP BY 1;
SELECT nori_snapshot('after');
SELECT nori_snapshot, group_concat(v) FROM t WHERE nori_snapshot IN ('after', 'before-import') GROUP BY 1;
SELECT count(*) FROM t WHERE nori_snapshot IS NULL;
SELECT count(*) FROM t WHERE nori_snapshot = NULL;
SELECT count(*) FROM t WHERE nori_snapshot = 'after' AND nori_snapshot = 'before-import';
-- the names
SELECT name, sequence > 0, wall_micros > 1e15 FROM nori_snapshots;
SELECT nori_snapshot('after');
SELECT nori_snapshot('');
SELECT nori_snapshot(NULL);
SELECT length(nori_snapshot(printf('%.256c', 'x')));
SELECT nori_release('never');
SELECT * FROM t WHERE nori_snapshot = 'never';
SELECT * FROM t WHERE nori_snapshot = 'After';
SELECT nori_snapshot('x', 'nowhere');
SELECT nori_snapshot(5), nori_release('5');
SELECT kind, detail FROM nori_events WHERE kind LIKE 'snapshot%' ORDER BY sequence;
-- a snapshot is read only
UPDATE t SET v = 0 WHERE nori_snapshot = 'after';
UPDATE k SET v = 0 WHERE nori_snapshot = 'after';
UPDATE t SET v = 0 WHERE nori_snapshot = 'after' AND id = 1;
UPDATE t SET v = 0, nori_snapshot = NULL WHERE nori_snapshot = 'after';
UPDATE t SET nori_snapshot = 'after';
DELETE FROM t WHERE nori_snapshot = 'after';
DELETE FROM t WHERE nori_snapshot = 'after' AND id = 1;
DELETE FROM k WHERE nori_snapshot = 'after';
DELETE FROM k WHERE nori_snapshot = 'after' AND name = 'bob' AND part = 1;
INSERT INTO t(id, v, nori_snapshot) VALUES (9, 9, 'after');
INSERT INTO t(id, v, nori_snapshot) VALUES (9, 9, NULL);
DELETE FROM t WHERE id = 9;
SELECT * FROM t;
SELECT * FROM k;
-- but what it holds can be used to change the present
DELETE FROM t WHERE id NOT IN (SELECT id FROM t WHERE nori_snapshot = 'before-import');
DELETE FROM t WHERE EXISTS (SELECT 1 FROM t AS old WHERE old.nori_snapshot = 'before-import' AND old.id = t.id AND old.v = 'two');
SELECT 'left', * FROM t;
REPLACE INTO t SELECT * FROM t('before-import');
UPDATE k SET v = (SELECT v FROM k AS old WHERE old.nori_snapshot = 'before-import' AND old.name = k.name AND old.part = k.part);
SELECT * FROM t;
SELECT * FROM k;
-- transactions: what a transaction has written is not in a snapshot
BEGIN;
SELECT nori_snapshot('in a read-only transaction');
INSERT INTO t VALUES (50, 'fifty');
SELECT nori_snapshot('inside');
SELECT count(*) FROM t WHERE nori_snapshot = 'in a read-only transaction';
SELECT count(*) FROM t;
ROLLBACK;
SELECT name FROM nori_snapshots;
BEGIN; DELETE FROM t; SELECT nori_release('in a read-only transaction'); ROLLBACK;
SELECT name FROM nori_snapshots;
PRAGMA query_only = 1;
SELECT nori_snapshot('refused');
SELECT nori_release('after');
PRAGMA query_only = 0;
-- tables that come and go
CREATE VIRTUAL TABLE younger USING nori(a);
INSERT INTO younger VALUES (1);
SELECT count(*) FROM younger;
SELECT count(*) FROM younger('after');
ALTER TABLE t RENAME TO renamed;
SELECT count(*) FROM renamed('before-import');
DELETE FROM renamed;
SELECT nori_truncate('k');
SELECT nori_flush(), nori_compact();
SELECT count(*) FROM renamed('before-import');
SELECT count(*), (SELECT count(*) FROM k('before-import')) FROM k;
DROP TABLE renamed;
CREATE VIRTUAL TABLE renamed USING nori(id INTEGER PRIMARY KEY, v);
SELECT count(*) FROM renamed('before-import');
-- indexes, also younger ones
CREATE VIRTUAL TABLE i USING nori(id INTEGER PRIMARY KEY, a TEXT UNIQUE, b, INDEX by_b(b));
INSERT INTO i VALUES (1, 'x', 10), (2, 'y', 20);
SELECT nori_snapshot('indexed');
UPDATE i SET a = a || '!', b = b + 1; DELETE FROM i WHERE id = 2;
SELECT nori_create_index('i', 'by_both', 'b, a');
SELECT * FROM i WHERE a = 'y' AND nori_snapshot = 'indexed';
SELECT * FROM i WHERE b >= 10 AND nori_snapshot = 'indexed' ORDER BY b DESC LIMIT 5 OFFSET 1;
SELECT old.id, now.b FROM i AS now JOIN i('indexed') AS old ON old.b = now.b - 1;
SELECT b, a FROM i WHERE b BETWEEN 5 AND 50;
SELECT nori_truncate('i'), nori_verify('i'), nori_verify();
SELECT count(*), (SELECT count(*) FROM i('indexed')) FROM i WHERE b > 0;
INSERT INTO i SELECT * FROM i('indexed');
SELECT a FROM i WHERE b = 20;
SELECT nori_verify('i');
-- other schemas
ATTACH 'other.db' AS aux;
CREATE VIRTUAL TABLE aux.t USING nori(a);
INSERT INTO aux.t VALUES (1);
CREATE VIRTUAL TABLE temp.t2 USING nori(a);
INSERT INTO t2 VALUES (1);
SELECT nori_snapshot('s', 'aux'), nori_snapshot('s', 'temp');
DELETE FROM aux.t; DELETE FROM t2;
SELECT (SELECT count(*) FROM aux.t('s')), (SELECT count(*) FROM t2('s'));
SELECT name FROM nori_snapshots WHERE schema = 'aux';
SELECT * FROM k('s');
-- nothing of it shows where it should not
.schema renamed
SELECT name, hidden FROM pragma_table_xinfo('renamed');
SELECT name FROM pragma_table_info('k');
PRAGMA integrity_check;
SELECT nori_verify(), nori_verify('aux');
CREATE VIRTUAL TABLE x USING nori(nori_snapshot);
-- in another process
DETACH aux;
SELECT 1;
.shell sqlite3 -batch -cmd ".load $NORI_EXTENSION" other.db "SELECT count(*), nori_release('s') FROM t('s')" "SELECT count(*) FROM nori_snapshots"

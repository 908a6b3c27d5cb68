-- Indexes made and dropped on a table that has rows.
CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, c, d TEXT, e UNIQUE);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO t SELECT i, i % 10, 'row ' || (i % 500), i FROM n;
SELECT nori_create_index('t', 'by_c', 'c DESC, d COLLATE NOCASE');
SELECT tbl, name, is_unique, definition, id FROM nori_indexes;
SELECT nori_verify();
-- a violation leaves nothing
SELECT nori_create_index('t', 'only_d', 'd', 'unique');
SELECT count(*) FROM nori_indexes;
DELETE FROM t WHERE id > 500;
SELECT nori_create_index('t', 'only_d', 'd', 'unique');
INSERT INTO t VALUES(1001, 1, 'row 7', 1001);
INSERT INTO t VALUES(1001, 1, 'new', 1001);
SELECT name, id FROM nori_indexes;
SELECT nori_verify();
-- the transaction decides
BEGIN;
SELECT nori_drop_index('t', 'only_d');
INSERT INTO t VALUES(1002, 1, 'row 7', 1002);
SELECT nori_create_index('t', 'gone', 'e, c');
SELECT name FROM nori_indexes;
ROLLBACK;
SELECT name FROM nori_indexes;
INSERT INTO t VALUES(1002, 1, 'row 7', 1002);
BEGIN;
SAVEPOINT s;
SELECT nori_drop_index('t', 'only_d');
ROLLBACK TO s;
INSERT INTO t VALUES(1002, 1, 'row 7', 1002);
SELECT nori_drop_index('t', 'by_c');
COMMIT;
SELECT name, id FROM nori_indexes;
-- ids are not used again, and the list survives a restart
SELECT nori_create_index('t', 'by_c', 'c');
SELECT name, id FROM nori_indexes;
.open test.db
SELECT tbl, name, is_unique, definition, id FROM nori_indexes;
SELECT nori_verify();
ALTER TABLE t RENAME TO u;
INSERT INTO u VALUES(1002, 1, 'row 7', 1002);
SELECT tbl, name FROM nori_indexes;
SELECT nori_drop_index('U', 'ONLY_D');
INSERT INTO u VALUES(1002, 1, 'row 7', 1002);
SELECT nori_verify();
-- refusals
SELECT nori_create_index('none', 'i', 'c');
SELECT nori_create_index('u', 'by_c', 'c');
SELECT nori_create_index('u', 'i', 'nosuch');
SELECT nori_create_index('u', 'i', 'c) WHERE (c > 1');
SELECT nori_create_index('u', 'i', 'c + 1');
SELECT nori_create_index('u', 'i', 'c', 'uniq');
SELECT nori_create_index('u', NULL, 'c');
SELECT nori_drop_index('u', 'i');
SELECT nori_drop_index('u', 'nori_autoindex_1');
SELECT nori_drop_index('u', 'by_c') FROM u LIMIT 1;
CREATE VIEW sneaky AS SELECT nori_drop_index('u', 'by_c');
SELECT * FROM sneaky;
SELECT name FROM nori_indexes;
-- other schemas, names in quotes
ATTACH ':memory:' AS aux;
CREATE VIRTUAL TABLE aux."a.b" USING nori(x PRIMARY KEY, "the y");
INSERT INTO aux."a.b" VALUES(1, 'A'), (2, 'a');
SELECT nori_create_index('aux."a.b"', 'y', '"the y" COLLATE NOCASE', 'unique');
SELECT nori_create_index('aux."a.b"', 'the "y" index', '"the y" DESC');
SELECT definition FROM nori_indexes('aux');
SELECT nori_verify('aux');
CREATE VIRTUAL TABLE temp.tt USING nori(x, y, INDEX(y));
SELECT nori_create_index('tt', 'x', 'x');
SELECT name FROM nori_indexes('temp');
SELECT name FROM nori_indexes;
DROP TABLE u;
SELECT count(*) FROM nori_indexes;
PRAGMA integrity_check;
SELECT name FROM sqlite_schema ORDER BY 1;

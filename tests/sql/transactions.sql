-- Transactions and savepoints over nori and ordinary tables.
CREATE VIRTUAL TABLE a USING nori(id INTEGER PRIMARY KEY, v);
CREATE VIRTUAL TABLE b USING nori(k TEXT PRIMARY KEY, v);
CREATE TABLE c(id INTEGER PRIMARY KEY, v);
BEGIN;
INSERT INTO a VALUES(1, 'x');
INSERT INTO b VALUES('one', 1);
INSERT INTO c VALUES(1, 'x');
ROLLBACK;
SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), (SELECT count(*) FROM c);
BEGIN;
INSERT INTO a VALUES(1, 'x');
SAVEPOINT s1;
INSERT INTO b VALUES('one', 1);
SAVEPOINT s2;
INSERT INTO a VALUES(2, 'y');
INSERT INTO c VALUES(2, 'y');
ROLLBACK TO s2;
INSERT INTO a VALUES(3, 'z');
RELEASE s2;
SELECT 'in', * FROM a;
ROLLBACK TO s1;
SELECT 'back', * FROM a;
SELECT 'back', * FROM b;
INSERT INTO b VALUES('two', 2);
COMMIT;
SELECT * FROM a;
SELECT * FROM b;
-- a savepoint that is the transaction
SAVEPOINT outer_one;
INSERT INTO a VALUES(10, 'ten');
UPDATE a SET v = 'changed';
ROLLBACK TO outer_one;
SELECT * FROM a;
INSERT INTO a VALUES(11, 'eleven');
RELEASE outer_one;
SELECT * FROM a;
-- a statement that fails half-way is undone, the transaction is not
BEGIN;
INSERT INTO a VALUES(20, 'keep');
INSERT INTO a SELECT id + 10, v FROM a;
INSERT INTO a VALUES(40, 'undo'), (20, 'dup');
COMMIT;
SELECT id FROM a;
-- a trigger of an ordinary table writes to a nori table
CREATE TRIGGER tr AFTER INSERT ON c BEGIN INSERT INTO a VALUES(new.id + 1000, new.v); END;
INSERT INTO c VALUES(5, 'five');
INSERT INTO c VALUES(5, 'again');
SELECT * FROM a WHERE id > 1000;
-- read-only transaction, then the same again
BEGIN; SELECT count(*) FROM a; COMMIT;
BEGIN; SELECT count(*) FROM a; ROLLBACK;
BEGIN; SELECT count(*) FROM a; INSERT INTO a(v) VALUES('after a read'); COMMIT;
SELECT count(*) FROM a;
PRAGMA query_only = 1;
BEGIN; SELECT count(*) FROM a; SELECT count(*) FROM b; COMMIT;
INSERT INTO a(v) VALUES('refused');
PRAGMA query_only = 0;
PRAGMA integrity_check;

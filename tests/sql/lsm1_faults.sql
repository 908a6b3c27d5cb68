-- What SQLite's own lsm1 extension gets wrong.
CREATE VIRTUAL TABLE t USING nori(k INTEGER PRIMARY KEY, v);
INSERT INTO t VALUES(1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e'),(6,'f');
-- the upper bound first
SELECT k FROM t WHERE k <= 5 AND k >= 3;
SELECT k FROM t WHERE k >= 3 AND k <= 5;
SELECT k FROM t WHERE k < 5 AND k > 3;
CREATE VIRTUAL TABLE p USING nori(a, b, PRIMARY KEY(a, b));
INSERT INTO p VALUES(1,1),(1,2),(1,3),(2,1),(2,2);
SELECT * FROM p WHERE b <= 2 AND b >= 2 AND a = 1;
SELECT * FROM p WHERE b < 3 AND a >= 1 AND a <= 1 AND b > 1;
-- ROLLBACK TO
BEGIN;
SAVEPOINT s;
DELETE FROM t WHERE k > 2;
ROLLBACK TO s;
COMMIT;
SELECT count(*) FROM t;
-- INSERT of a key that is there
INSERT INTO t VALUES(3, 'silently replaced?');
SELECT v FROM t WHERE k = 3;
-- one transaction over two tables
BEGIN;
INSERT INTO t VALUES(7, 'g');
INSERT INTO p VALUES(3, 3);
ROLLBACK;
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM p);
-- CREATE rolled back
BEGIN;
CREATE VIRTUAL TABLE q USING nori(x);
ROLLBACK;
SELECT * FROM q;
-- values keep their types
CREATE VIRTUAL TABLE v USING nori(k PRIMARY KEY, x);
INSERT INTO v VALUES(1, 2.5), ('1', x'00ff'), (x'31', NULL), (1.5, 'text');
SELECT typeof(k), k, typeof(x) FROM v;

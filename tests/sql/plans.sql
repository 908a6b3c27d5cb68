-- Which path a query takes, with which bounds; that what the plan promises holds.
CREATE VIRTUAL TABLE readings USING nori(
  tenant TEXT, ts INTEGER, value REAL, note TEXT COLLATE NOCASE,
  PRIMARY KEY(tenant, ts), INDEX by_value(value DESC, note), UNIQUE INDEX by_note(note));
INSERT INTO readings
  SELECT 'tenant' || (value % 10), value, CASE WHEN value % 50 THEN value % 7 END, 'note ' || value
  FROM generate_series(1, 2000);
.eqp on
-- the key: equality, range, IN, IS
SELECT count(*) FROM readings WHERE tenant = 'tenant3' AND ts > 100 AND ts < 200;
SELECT ts FROM readings WHERE tenant = 'tenant3' AND ts = 103;
SELECT ts FROM readings WHERE tenant IS 'tenant3' AND ts BETWEEN 1990 AND 1995;
SELECT count(*) FROM readings WHERE tenant >= 'tenant8';
SELECT ts FROM readings WHERE tenant = 'tenant1' AND ts IN (31, 11, 11, 12, NULL, 21) ORDER BY ts;
SELECT ts FROM readings WHERE tenant = 'tenant1' AND ts IN (31, 11, 12, 21) ORDER BY ts DESC;
SELECT tenant, ts FROM readings WHERE tenant IN ('tenant2', 'tenant1') AND ts < 30 ORDER BY tenant, ts;
SELECT tenant, ts FROM readings WHERE tenant IN ('tenant2', 'tenant1') AND ts IN (1, 2, 11, 12) ORDER BY tenant DESC, ts DESC;
SELECT tenant, ts FROM readings WHERE ts < 3 AND tenant IN (SELECT 'tenant' || value FROM generate_series(1, 3));
SELECT count(*) FROM readings WHERE tenant IS NULL;
-- indexes: covering, with look-ups, NULL, by the unique one
SELECT count(*) FROM readings WHERE value = 3;
SELECT count(*) FROM readings WHERE value IS NULL;
SELECT count(*) FROM readings WHERE value IS NOT NULL;
SELECT ts FROM readings WHERE note = 'NOTE 77';
SELECT tenant FROM readings WHERE note = 'NOTE 77';
SELECT note FROM readings WHERE note LIKE 'note 199%' ORDER BY note;
SELECT note FROM readings WHERE note GLOB 'note 199*' ORDER BY note DESC LIMIT 2;
SELECT value, note FROM readings WHERE value = 2 AND note > 'note 19' ORDER BY note LIMIT 3;
SELECT tenant, ts FROM readings WHERE note IN ('note 5', 'NOTE 4', 'nothing');
-- order and its ends
SELECT ts FROM readings ORDER BY tenant DESC, ts DESC LIMIT 2;
SELECT ts FROM readings ORDER BY tenant, ts DESC LIMIT 2;
SELECT note FROM readings ORDER BY note LIMIT 2;
SELECT max(tenant) FROM readings;
SELECT min(tenant) FROM readings;
SELECT max(note) FROM readings;
SELECT max(ts) FROM readings WHERE tenant = 'tenant4';
SELECT value FROM readings ORDER BY value DESC LIMIT 1;
-- OFFSET is taken over where nothing is left for SQLite to check
SELECT ts FROM readings WHERE tenant = 'tenant3' LIMIT 2 OFFSET 3;
SELECT ts FROM readings WHERE tenant = 'tenant3' AND ts > 100 LIMIT 2 OFFSET 3;
SELECT ts FROM readings WHERE (tenant, ts) > ('tenant3', 100) ORDER BY tenant, ts LIMIT 2 OFFSET 3;
SELECT ts FROM readings WHERE tenant = 'tenant3' AND ts > 100 AND value > 2 LIMIT 2 OFFSET 3;
SELECT ts FROM readings WHERE ts = value LIMIT 2 OFFSET 3;
SELECT ts FROM readings ORDER BY tenant, ts LIMIT 2 OFFSET 1999;
-- DISTINCT and GROUP BY
SELECT DISTINCT tenant FROM readings;
SELECT DISTINCT tenant FROM readings WHERE tenant > 'tenant7' ORDER BY tenant DESC;
SELECT DISTINCT tenant FROM readings WHERE ts % 10 = 4;
SELECT tenant, count(*) FROM readings GROUP BY tenant HAVING tenant < 'tenant2';
-- OR, and joins in the right order
SELECT count(*) FROM readings WHERE (tenant = 'tenant3' AND ts < 100) OR note = 'note 7';
SELECT count(*) FROM readings WHERE ts = 7 OR note = 'note 7';
CREATE TABLE tenants(name TEXT, city TEXT);
INSERT INTO tenants VALUES('tenant1', 'here'), ('tenant2', 'there'), (NULL, 'nowhere');
SELECT city, count(*) FROM readings, tenants WHERE tenant = name AND ts < 500 GROUP BY city;
SELECT city, max(ts) FROM tenants LEFT JOIN readings ON tenant = name GROUP BY city;
SELECT city FROM tenants LEFT JOIN readings ON tenant IS name AND ts IS 12;
SELECT count(*) FROM readings a, readings b WHERE a.note = b.note AND a.tenant = 'tenant5';
-- rowids
CREATE VIRTUAL TABLE log USING nori(line TEXT, level INTEGER, INDEX(level));
INSERT INTO log SELECT 'line ' || value, value % 4 FROM generate_series(1, 400);
SELECT line FROM log WHERE rowid = 5;
SELECT line FROM log WHERE rowid IN (7, 5.0, '6', 'x', 5.5);
SELECT line FROM log WHERE rowid > 398.5 ORDER BY rowid DESC;
SELECT count(*) FROM log WHERE level = 3 AND rowid < 10;
SELECT rowid FROM log WHERE level = 3 ORDER BY rowid DESC LIMIT 2;
SELECT DISTINCT level FROM log;
UPDATE log SET level = 9 WHERE level = 3 AND rowid < 10;
SELECT rowid, line FROM log WHERE level = 9;
DELETE FROM log WHERE level = 9;
SELECT count(*) FROM log WHERE level = 9 OR rowid = 3;
-- arguments of another affinity than the column's
CREATE TABLE numbers(n INTEGER);
INSERT INTO numbers VALUES(5);
CREATE VIRTUAL TABLE texts USING nori(k TEXT, v INTEGER, PRIMARY KEY(k, v));
INSERT INTO texts VALUES('5', 10), ('05', 3), ('5.0', 7), ('a', 1), ('6', 2);
SELECT k, v FROM numbers, texts WHERE numbers.rowid = 1 AND k = n ORDER BY v;
SELECT k, v FROM texts WHERE k = 5 ORDER BY v;
SELECT k, v FROM texts WHERE k IN (SELECT n FROM numbers) ORDER BY k, v;
.eqp off
-- what the last statement touched
SELECT nori_flush();
SELECT count(*) FROM readings WHERE tenant = 'tenant3' AND ts > 100 AND ts < 200;
SELECT value ->> 'table', value ->> 'plan', value ->> 'scans', value ->> 'rows', value ->> 'slots', value ->> 'runs', value ->> 'blocks' > 0 FROM json_each(nori_last_scan());
SELECT count(*) FROM tenants, readings WHERE note = 'note ' || length(city);
SELECT value ->> 'plan', value ->> 'scans', value ->> 'rows', value ->> 'lookups', value ->> 'filters' FROM json_each(nori_last_scan());
SELECT count(*) FROM tenants;
SELECT json_array_length(nori_last_scan());
-- a column that an index has twice, by two collations, is bound once
CREATE VIRTUAL TABLE twice USING nori(a INTEGER PRIMARY KEY, c, INDEX by_c(c, a COLLATE NOCASE));
INSERT INTO twice VALUES (1, 'x'), (2, 'x'), (3, 'y');
SELECT a FROM twice WHERE c = 'x' AND a = 2;
SELECT a FROM twice WHERE c = 'x' AND a > 1;

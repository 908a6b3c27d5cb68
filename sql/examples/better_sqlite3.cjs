// nori tables through better-sqlite3, which brings a newer SQLite of its own. See
// README.md here.
//
// Usage: NODE_PATH=folder/node_modules node better_sqlite3.cjs path/to/nori_lsm.so
'use strict';

const assert = require('node:assert');
const path = require('node:path');
const Database = require('better-sqlite3');

const extension = path.resolve(process.argv[2]).replace(/\.so$/, '');

function open(file, options) {
  const db = new Database(file, options);
  db.loadExtension(extension);
  db.pragma('journal_mode = WAL');
  return db;
}

const db = open('app.db');
db.exec(`
  CREATE VIRTUAL TABLE item USING nori(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, data);
  CREATE VIRTUAL TABLE stock USING nori(place TEXT, item INTEGER, pieces INTEGER, PRIMARY KEY(place, item));
`);

// Prepared statements with named values; a function that is a transaction.
const insert = db.prepare('INSERT INTO item(name, price, data) VALUES (@name, @price, @data)');
const insertAll = db.transaction((rows) => rows.map((row) => insert.run(row).lastInsertRowid));
const ids = insertAll([
  {name: 'axe', price: 20, data: Buffer.from([0, 255])},
  {name: 'bow', price: 31.5, data: null},
]);
assert.deepStrictEqual(ids, [1, 2]);
assert.throws(() => insertAll([{name: 'cup', price: 1, data: null}, {name: null, price: 2, data: null}]),
    {code: 'SQLITE_CONSTRAINT_NOTNULL', message: 'NOT NULL constraint failed: item.name'});
assert.strictEqual(db.prepare('SELECT count(*) FROM item').pluck().get(), 2);
assert.deepStrictEqual(db.prepare('SELECT * FROM item WHERE id = ?').get(1),
    {id: 1, name: 'axe', price: 20, data: Buffer.from([0, 255])});

// Whole numbers beyond 2^53, and an iterator that is left early.
const big = 9007199254740993n;
db.prepare('INSERT INTO stock VALUES (?, ?, ?)').run('here', big, 1);
assert.strictEqual(db.prepare('SELECT item FROM stock').pluck().safeIntegers().get(), big);
for (let i = 0; i < 100; ++i) db.prepare('INSERT INTO stock VALUES (?, ?, ?)').run('there', i, i);
let seen = 0;
for (const row of db.prepare("SELECT * FROM stock WHERE place = 'there' ORDER BY item DESC").iterate()) {
  assert.strictEqual(row.item, 99 - seen);
  if (++seen === 10) break;
}
assert.throws(() => db.prepare('INSERT INTO stock VALUES (?, ?, ?)').run('there', 5, 0),
    {code: 'SQLITE_CONSTRAINT_PRIMARYKEY'});

// Nested transactions are savepoints.
const outer = db.transaction(() => {
  db.prepare('UPDATE stock SET pieces = 0 WHERE item = 1').run();
  const inner = db.transaction(() => {
    db.prepare('DELETE FROM stock').run();
    throw new Error('only this part');
  });
  assert.throws(inner, /only this part/);
});
outer.immediate();
assert.deepStrictEqual(db.prepare('SELECT count(*) AS n, min(pieces) AS least FROM stock').get(), {n: 101, least: 0});

// Columns of a statement, functions of one's own, the checks.
assert.deepStrictEqual(db.prepare('SELECT id, name AS label FROM item').columns()
    .map(({name, column, table, type}) => ({name, column, table, type})), [
  {name: 'id', column: 'id', table: 'item', type: 'INTEGER'},
  {name: 'label', column: 'name', table: 'item', type: 'TEXT'},
]);
db.function('twice', (x) => 2 * x);
assert.strictEqual(db.prepare('SELECT sum(twice(price)) FROM item').pluck().get(), 103);
assert.strictEqual(db.pragma('integrity_check', {simple: true}), 'ok');
assert.strictEqual(db.prepare('SELECT nori_verify()').pluck().get(), 'ok');
db.close();

const again = open('app.db', {fileMustExist: true});
assert.strictEqual(again.prepare('SELECT name FROM item WHERE id = 2').pluck().get(), 'bow');
again.close();
console.log('ok');

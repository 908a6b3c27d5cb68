-- Used by dump.sh: how a database with nori tables is printed. Its views give
-- commands for the shell, one a line, in the order in which to run them.

-- The defaults of this version, to tell which options were chosen.
ATTACH ':memory:' AS nori_defaults;
CREATE VIRTUAL TABLE nori_defaults.none USING nori(x);

CREATE TEMP VIEW dump_nori AS
  SELECT s.name AS name, s.rowid AS place, state IS NOT NULL AS changed,
    '"' || replace(s.name, '"', '""') || '"' AS quoted
  FROM main.nori_state JOIN main.sqlite_schema s ON s.name = nori_state.name AND s.type = 'table'
  WHERE id > 0;

-- A column's value as a literal that brings it back: quote() stops at a zero byte, and its
-- infinity is a name.
CREATE TEMP VIEW dump_literal AS
  SELECT *, 'CASE WHEN typeof(' || col || ') = ''text'' AND instr(' || col || ', char(0)) '
    || 'THEN ''CAST(x'''''' || hex(' || col || ') || '''''' AS TEXT)'' '
    || 'WHEN ' || col || ' = 9e999 AND typeof(' || col || ') = ''real'' THEN ''9e999'' '
    || 'WHEN ' || col || ' = -9e999 AND typeof(' || col || ') = ''real'' THEN ''-9e999'' '
    || 'ELSE quote(' || col || ') END' AS literal
  FROM (SELECT t.name AS tbl, t.quoted AS tbl_quoted, t.place AS place, c.cid AS cid,
      '"' || replace(c.name, '"', '""') || '"' AS col
    FROM dump_nori t JOIN pragma_table_info(t.name, 'main') c);

-- Hidden rowids are kept, too: where there are any, and a name for them is left.
CREATE TEMP VIEW dump_rowid AS
  SELECT t.name AS tbl, (SELECT n.name FROM (SELECT 'rowid' AS name UNION ALL SELECT '_rowid_'
      UNION ALL SELECT 'oid') n
    WHERE n.name COLLATE NOCASE NOT IN (SELECT name FROM pragma_table_info(t.name, 'main'))
    LIMIT 1) AS rowid_name
  FROM dump_nori t JOIN pragma_table_list l ON l.schema = 'main' AND l.name = t.name
  WHERE l.wr = 0 AND NOT EXISTS (SELECT 1 FROM pragma_table_info(t.name, 'main') WHERE pk);

-- In groups: SQLite refuses an expression in which 1000 others are nested.
CREATE TEMP VIEW dump_select AS
  SELECT tbl, place,
    'SELECT ''INSERT INTO ' || replace(tbl_quoted, '''', '''''') || '('
    || coalesce(rowid_name || ',', '') || replace(names, '''', '''''') || ') VALUES('' || '
    || coalesce(rowid_name || ' || '','' || ', '') || literals || ' || '');'' FROM main.'
    || tbl_quoted || ';' AS command
  FROM (SELECT tbl, tbl_quoted, place, group_concat(names, ',') AS names,
      group_concat('(' || literals || ')', ' || '','' || ') AS literals
    FROM (SELECT tbl, tbl_quoted, place, cid / 100 AS part, group_concat(col, ',') AS names,
        group_concat(literal, ' || '','' || ') AS literals
      FROM (SELECT * FROM dump_literal ORDER BY place, cid)
      GROUP BY place, part ORDER BY place, part)
    GROUP BY place)
  LEFT JOIN dump_rowid USING(tbl);

-- Indexes that functions have made since the table was created, or not dropped; none of a
-- constraint, which they cannot drop.
CREATE TEMP VIEW dump_index AS
  SELECT tbl, place, name, definition, ordinal, is_unique,
    substr(definition, length(head) + 1, length(definition) - length(head) - 1) AS columns
  FROM (SELECT t.name AS tbl, t.place AS place, i.name AS name, i.id AS ordinal,
      i.is_unique AS is_unique, i.definition AS definition,
      CASE WHEN i.is_unique THEN 'UNIQUE ' ELSE '' END || 'INDEX "' || replace(i.name, '"', '""')
        || '"(' AS head
    FROM dump_nori t JOIN nori_indexes i ON i.tbl = t.name
    WHERE changed AND i.definition NOT LIKE 'CONSTRAINT %');

-- The copy is made with the indexes of CREATE. Before it gets rows, those go that the table
-- has no more, and afterwards the others come; WHERE keeps the functions from printing.
CREATE TEMP VIEW dump_index_statement AS
  SELECT t.place AS place, 1 AS line, 0 AS ordinal,
    'WITH gone AS MATERIALIZED (SELECT name FROM nori_indexes WHERE tbl = ' || quote(t.name)
    || ' AND definition NOT LIKE ''CONSTRAINT %'' AND definition NOT IN ('
    || coalesce((SELECT group_concat(quote(definition), ', ') FROM dump_index i
      WHERE i.place = t.place), '') || ')) SELECT 1 FROM gone WHERE nori_drop_index('
    || quote(t.name) || ', name) <> ''ok'';' AS statement
  FROM dump_nori t WHERE changed
  UNION ALL
  SELECT place, 3, ordinal, 'SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM nori_indexes WHERE tbl = '
    || quote(tbl) || ' AND name = ' || quote(name) || ' COLLATE NOCASE) AND nori_create_index('
    || quote(tbl) || ', ' || quote(name) || ', ' || quote(columns)
    || CASE WHEN is_unique THEN ', ''unique''' ELSE '' END || ') <> ''ok'';'
  FROM dump_index;

-- .dump takes a pattern of LIKE in a string as in C, and takes a virtual table's shadow
-- tables along.
CREATE TEMP VIEW dump_other AS
  SELECT type, name, rowid AS place, '.dump "' || replace(replace(replace(replace(replace(name,
      '\', '\\'), '%', '\%'), '_', '\_'), '\', '\\'), '"', '\"') || '"' AS command
  FROM main.sqlite_schema
  WHERE sql IS NOT NULL AND name <> 'nori_state' AND name NOT IN (SELECT name FROM dump_nori)
    AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow');

-- Triggers last: they would fire.
CREATE TEMP VIEW dump_command AS
  SELECT 1 AS step, place, 0 AS line, command FROM dump_other
  WHERE type = 'table' AND name NOT IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4')
  UNION ALL
  SELECT 2, 0, 0, '.print BEGIN;'
  UNION ALL
  SELECT 3, 0, 0, '.print CREATE VIRTUAL TABLE nori_options_of_dump USING nori(x'
    || group_concat(', ' || own.name || '=\"' || own.value || '\"', '') || ');'
  FROM nori_options own JOIN nori_options usual ON usual.schema = 'nori_defaults'
    AND usual.name = own.name AND usual.value <> own.value
  WHERE own.schema = 'main' HAVING count(*) > 0
  UNION ALL
  SELECT 4, place, 0, 'SELECT sql || '';'' FROM main.sqlite_schema WHERE rowid = ' || place || ';'
  FROM dump_nori
  UNION ALL
  SELECT 4, place, line, 'SELECT ' || quote(statement) || ';'
  FROM (SELECT * FROM dump_index_statement ORDER BY place, line, ordinal)
  UNION ALL
  SELECT 4, place, 2, command FROM dump_select
  UNION ALL
  SELECT 5, 0, 0, '.print DROP TABLE IF EXISTS nori_options_of_dump;'
  UNION ALL
  SELECT 6, 0, 0, '.print COMMIT;'
  UNION ALL
  SELECT 7, place, 0, command FROM dump_other
  WHERE name IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4')
  UNION ALL
  SELECT 8, place, 0, command FROM dump_other WHERE type = 'index'
  UNION ALL
  SELECT 9, place, 0, command FROM dump_other WHERE type = 'view'
  UNION ALL
  SELECT 10, place, 0, command FROM dump_other WHERE type = 'trigger';

-- A heat map of the key space in the terminal.
--
--   sqlite3 app.db -cmd '.load ./nori_lsm' '.read sql/heatmap.sql'
--
-- Each table is a strip of 64 cells from its first to its last key, each cell
-- an equal share of the table's bytes. First line: heat, by colour and by sign,
-- where several slots share a cell the hottest. Second line: sorted runs that a
-- read there has to consider, L0 included, as a digit (+ for more than 9).
-- Counts of reads, writes and scans are since the database was opened.
--
-- Without colour: add  -cmd '.parameter set :plain 1'
.mode list
.headers off
WITH RECURSIVE
  placed AS (
    SELECT rowid AS place, tbl, heat, runs + l0_slices AS sorted,
           max(bytes + l0_bytes, 1) AS weight
    FROM nori_slots WHERE tbl IS NOT NULL),
  laid AS (
    SELECT tbl, heat, sorted,
           1.0 * (sum(weight) OVER up - weight) / sum(weight) OVER whole AS low,
           1.0 * sum(weight) OVER up / sum(weight) OVER whole AS high,
           sum(weight) OVER whole AS total, min(place) OVER whole AS first
    FROM placed
    WINDOW up AS (PARTITION BY tbl ORDER BY place),
           whole AS (PARTITION BY tbl)),
  cell(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM cell WHERE n < 63),
  cells AS (
    SELECT tbl, first, total, n, max(heat) AS heat, max(sorted) AS sorted,
           min(9, CAST(max(heat) * 10 AS INTEGER)) AS level
    FROM cell JOIN laid ON low < (n + 1) / 64.0 AND high > n / 64.0
    GROUP BY tbl, n),
  painted AS (
    SELECT tbl, first, total, n,
           iif(coalesce(:plain, 0), substr(' .:-=+*#%@', level + 1, 1),
               char(27) || '[38;5;' ||
               CASE level WHEN 0 THEN 238 WHEN 1 THEN 19 WHEN 2 THEN 26
                 WHEN 3 THEN 38 WHEN 4 THEN 43 WHEN 5 THEN 112 WHEN 6 THEN 190
                 WHEN 7 THEN 220 WHEN 8 THEN 208 ELSE 196 END ||
               'm' || substr('░░▒▒▓▓████', level + 1, 1) || char(27) || '[0m')
             AS heat,
           iif(sorted > 9, '+', CAST(sorted AS TEXT)) AS sorted
    FROM cells),
  strips AS (
    SELECT tbl, first, total, group_concat(heat, '') AS heat,
           group_concat(sorted, '') AS sorted
    FROM (SELECT * FROM painted ORDER BY tbl, n) GROUP BY tbl)
SELECT printf('%-16.16s |%s| %.1f MB', tbl, heat, total / 1e6) || char(10) ||
       printf('%16s |%s|', 'runs', sorted)
FROM strips ORDER BY first;
SELECT '';
SELECT iif(coalesce(:plain, 0), 'heat: cold [ .:-=+*#%@] hot', 'heat: cold ' ||
  char(27) || '[38;5;238m░' || char(27) || '[38;5;19m░' ||
  char(27) || '[38;5;26m▒' || char(27) || '[38;5;38m▒' ||
  char(27) || '[38;5;43m▓' || char(27) || '[38;5;112m▓' ||
  char(27) || '[38;5;190m█' || char(27) || '[38;5;220m█' ||
  char(27) || '[38;5;208m█' || char(27) || '[38;5;196m█' || char(27) || '[0m hot');
SELECT '';
SELECT 'The hottest slots:';
.mode column
.headers on
SELECT slot, printf('%.2f', heat) AS heat, runs, l0_slices AS l0,
       max_runs AS k, printf('%.2f', (bytes + l0_bytes) / 1e6) AS MB, reads,
       writes, scans, first_key
FROM nori_slots WHERE tbl IS NOT NULL
ORDER BY nori_slots.heat DESC, slot LIMIT 10;

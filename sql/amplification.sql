-- Write, read and space amplification: of the engine, by table and by slot.
--
--   sqlite3 app.db -cmd '.load ./nori_lsm' '.read sql/amplification.sql'
--
-- Counts are since the database was opened.
--   write   bytes written for each byte of keys and values: to the log, by
--           flushes and by merges. Of tables and slots: without the log, and
--           what is still in memory counts nowhere.
--   read    a point read asks this many filters, of L0 slices and runs; tables
--           and slots: how many there are now, weighted by reads where any were
--           counted. tables_per_read: those that no filter ruled out;
--           blocks_per_read: of data, from the cache or the file.
--   space   bytes of tables for each byte of the oldest runs, where every key
--           has one version: an upper bound, since new keys count as well.
.mode column
.headers on
WITH
  m AS (SELECT name, value FROM nori_metrics),
  v AS (
    SELECT
      (SELECT value FROM m WHERE name = 'user_bytes_written') AS user,
      (SELECT value FROM m WHERE name = 'log_bytes_written') AS log,
      (SELECT sum(value) FROM m WHERE name IN ('flush_bytes_written',
                                               'spilled_bytes')) AS flushed,
      (SELECT value FROM m WHERE name = 'compaction_bytes_written') AS merged,
      (SELECT value FROM m WHERE name = 'gets') AS gets,
      (SELECT value FROM m WHERE name = 'filter_checks') AS asked,
      (SELECT value FROM m WHERE name = 'filter_negatives') AS ruled_out,
      (SELECT value FROM m WHERE name = 'blocks_read') AS blocks,
      (SELECT value FROM m WHERE name = 'table_bytes') AS on_disk),
  live AS (
    SELECT sum(coalesce(nullif(oldest_run_bytes, 0), bytes + l0_bytes)) AS bytes
    FROM nori_slots)
SELECT round(user / 1e6, 2) AS user_mb,
       coalesce(round(1.0 * (log + flushed + merged) / nullif(user, 0), 2), '-')
         AS write,
       coalesce(round(1.0 * log / nullif(user, 0), 2), '-') AS log,
       coalesce(round(1.0 * flushed / nullif(user, 0), 2), '-') AS flush,
       coalesce(round(1.0 * merged / nullif(user, 0), 2), '-') AS merge,
       coalesce(round(1.0 * asked / nullif(gets, 0), 2), '-') AS read,
       coalesce(round(1.0 * (asked - ruled_out) / nullif(gets, 0), 2), '-')
         AS tables_per_read,
       coalesce(round(1.0 * blocks / nullif(gets, 0), 2), '-')
         AS blocks_per_read,
       round(on_disk / 1e6, 2) AS table_mb,
       coalesce(round(1.0 * on_disk / nullif(live.bytes, 0), 2), '-') AS space
FROM v, live;
.print
SELECT tbl, count(*) AS slots, round(sum(user_bytes) / 1e6, 2) AS user_mb,
       coalesce(round(1.0 * sum(flushed_bytes + merged_bytes) /
                      nullif(sum(user_bytes), 0), 2), '-') AS write,
       round(coalesce(1.0 * sum(reads * (runs + l0_slices)) /
                      nullif(sum(reads), 0), avg(runs + l0_slices)), 2) AS read,
       round(sum(bytes + l0_bytes) / 1e6, 2) AS table_mb,
       coalesce(round(1.0 * sum(bytes + l0_bytes) / nullif(sum(
         coalesce(nullif(oldest_run_bytes, 0), bytes + l0_bytes)), 0), 2), '-')
         AS space
FROM nori_slots WHERE tbl IS NOT NULL GROUP BY tbl ORDER BY min(rowid);
.print
.print The slots that were written most:
SELECT slot, tbl, runs, l0_slices AS l0, max_runs AS k,
       round(user_bytes / 1e6, 2) AS user_mb,
       coalesce(round(1.0 * (flushed_bytes + merged_bytes) /
                      nullif(user_bytes, 0), 2), '-') AS write,
       runs + l0_slices AS read,
       coalesce(round(1.0 * (bytes + l0_bytes) / nullif(oldest_run_bytes, 0),
                      2), '-') AS space,
       first_key
FROM nori_slots WHERE tbl IS NOT NULL
ORDER BY flushed_bytes + merged_bytes DESC, slot LIMIT 20;

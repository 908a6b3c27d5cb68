-- Nothing to show.
.parameter set :plain 1
.read scripts/heatmap.sql
.output empty.svg
.read scripts/heatmap_svg.sql
.output
.read scripts/amplification.sql
-- The real tables: figures depend on time, so only their shape is compared.
CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v);
CREATE VIRTUAL TABLE "a<b & c" USING nori(k TEXT PRIMARY KEY);
INSERT INTO t SELECT value, 'value ' || value FROM generate_series(1, 5000);
INSERT INTO "a<b & c" VALUES('x');
SELECT nori_flush();
.output heat.txt
.read scripts/heatmap.sql
.output heat.svg
.read scripts/heatmap_svg.sql
.output amplification.txt
.read scripts/amplification.sql
.output
.mode list
.headers off
SELECT CAST(readfile('heat.txt') AS TEXT) LIKE 't  %|%|%a<b & c  %|%heat: cold%'
   AND CAST(readfile('heat.txt') AS TEXT) LIKE '%t()%a<b & c()%';
SELECT CAST(readfile('heat.svg') AS TEXT) LIKE '<svg %>t</text>%>a&lt;b &amp; c</text>%</svg>%',
       CAST(readfile('heat.svg') AS TEXT) LIKE '%a<b%';
SELECT CAST(readfile('amplification.txt') AS TEXT) LIKE '%user_mb%t  %a<b & c  %slot %';
-- Known figures in the place of the real ones.
CREATE TEMP TABLE nori_slots(slot, tbl, first_key, end_key, runs, max_runs,
  l0_slices, heat, bytes, entries, reads, writes, scans, last_compaction,
  l0_bytes, oldest_run_bytes, user_bytes, flushed_bytes, merged_bytes);
INSERT INTO nori_slots VALUES
 (1, NULL, '', 'orders()', 0, 4, 0, 0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
 (2, 'orders', 'orders()', 'orders(100)', 1, 1, 0, 0.95, 1000000, 100, 9000, 10, 5, 7, 0, 1000000, 100000, 100000, 900000),
 (3, 'orders', 'orders(100)', 'orders(200)', 4, 4, 2, 0.55, 2000000, 200, 1000, 900, 0, 7, 500000, 1000000, 2000000, 2100000, 1900000),
 (4, 'orders', 'orders(200)', 'users()', 12, 4, 0, 0.0, 1000000, 100, 0, 0, 0, 0, 0, 250000, 0, 0, 0),
 (5, 'users', 'users()', '', 0, 4, 1, 0.31, 0, 0, 4, 20, 0, 0, 10000, 0, 20000, 10000, 0);
CREATE TEMP TABLE nori_metrics(name, value);
INSERT INTO nori_metrics VALUES
 ('user_bytes_written', 2000000), ('log_bytes_written', 2100000),
 ('flush_bytes_written', 1000000), ('spilled_bytes', 500000),
 ('compaction_bytes_written', 6000000), ('gets', 1000), ('filter_checks', 3000),
 ('filter_negatives', 1980), ('blocks_read', 2040),
 ('table_bytes', 4510000);
.read scripts/heatmap.sql
.read scripts/heatmap_svg.sql
.read scripts/amplification.sql

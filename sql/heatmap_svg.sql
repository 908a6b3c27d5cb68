-- The heat map of the key space as an SVG, for a browser:
--
--   sqlite3 app.db -cmd '.load ./nori_lsm' '.read sql/heatmap_svg.sql' > heat.svg
--
-- Each table is a band from its first to its last key; a slot is as wide as its
-- share of the table's bytes. Bricks are the sorted runs of a slot, the oldest
-- at the bottom, in the colour of the slot's heat; hollow bricks on top are
-- slices that still lie in L0; the dashed line is K, the number of runs that
-- the slot may keep. The strips below show reads with scans, and writes, per
-- byte and against the mean of all slots. Point at a slot to see its figures.
.mode list
.headers off
SELECT '<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="' ||
  (150 + 190 * count(DISTINCT tbl)) || '" viewBox="0 0 1200 ' ||
  (150 + 190 * count(DISTINCT tbl)) || '">
<style>
text { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #c9d1e0; font-size: 12px }
.title { font-size: 24px; font-weight: 600; fill: #f4f6fb }
.table { font-size: 16px; font-weight: 600; fill: #f4f6fb }
.dim { fill: #7d88a1; font-size: 11px }
.right { text-anchor: end }
.slot:hover .brick { stroke: #ffffff; stroke-width: 1.5 }
</style>
<rect width="100%" height="100%" fill="#12151f"/>
<text class="title" x="40" y="50">Heat of the key space</text>
<text class="dim" x="40" y="74">' ||
  printf('%d tables, %d slots, %d runs, %.1f MB; reads %d, writes %d, scans %d',
         count(DISTINCT tbl), count(*), coalesce(sum(runs), 0),
         coalesce(sum(bytes + l0_bytes), 0) / 1e6, coalesce(sum(reads), 0),
         coalesce(sum(writes), 0), coalesce(sum(scans), 0)) || '</text>
<text class="dim right" x="960" y="50">cold</text>
<text class="dim" x="1136" y="50">hot</text>'
FROM nori_slots WHERE tbl IS NOT NULL;
WITH ramp(level, colour) AS (VALUES
  (0, '#2b3350'), (1, '#3a2a6b'), (2, '#52207a'), (3, '#7b1f72'),
  (4, '#a52c60'), (5, '#cf4446'), (6, '#ed6925'), (7, '#fb9b06'),
  (8, '#f7d13d'), (9, '#fcffa4'))
SELECT printf('<rect x="%d" y="40" width="16" height="12" fill="%s"/>',
              968 + 16 * level, colour)
FROM ramp;
WITH RECURSIVE
  ramp(level, colour) AS (VALUES
    (0, '#2b3350'), (1, '#3a2a6b'), (2, '#52207a'), (3, '#7b1f72'),
    (4, '#a52c60'), (5, '#cf4446'), (6, '#ed6925'), (7, '#fb9b06'),
    (8, '#f7d13d'), (9, '#fcffa4')),
  placed AS (
    SELECT rowid AS place, *, max(bytes + l0_bytes, 1) AS weight,
           min(9, CAST(heat * 10 AS INTEGER)) AS level
    FROM nori_slots WHERE tbl IS NOT NULL),
  mean AS (
    SELECT 1.0 * sum(reads + 2 * scans) / sum(weight) AS mean_reads,
           1.0 * sum(writes) / sum(weight) AS mean_writes,
           -- Bricks of the tallest slot must fit in 96 pixels.
           min(20.0, 96.0 / max(max(runs + l0_slices), max(max_runs))) AS brick
    FROM placed),
  laid AS (
    SELECT *,
           sum(weight) OVER whole AS total, min(place) OVER whole AS first,
           max(place) OVER whole AS last, count(*) OVER whole AS slots,
           40 + 1120.0 * (sum(weight) OVER up - weight) /
                sum(weight) OVER whole AS x,
           1120.0 * weight / sum(weight) OVER whole AS width
    FROM placed
    WINDOW up AS (PARTITION BY tbl ORDER BY place),
           whole AS (PARTITION BY tbl)),
  banded AS (
    SELECT *, 110 + 190 * (dense_rank() OVER (ORDER BY first) - 1) AS y
    FROM laid),
  brick(n) AS (
    SELECT 0 UNION ALL
    SELECT n + 1 FROM brick
    WHERE n + 1 < (SELECT max(runs + l0_slices) FROM placed)),
  bricks AS (
    SELECT place, group_concat(printf(
      '<rect class="brick" x="%.2f" y="%.2f" width="%.2f" height="%.2f" rx="1"%s/>',
      x + 0.3, y + 120 - (n + 1) * mean.brick, max(width - 0.6, 0.4),
      mean.brick - 1,
      iif(n < runs, printf(' fill="%s"', colour),
          printf(' fill="none" stroke="%s" stroke-opacity="0.8"', colour))),
      char(10)) AS drawn
    FROM banded JOIN ramp USING (level), mean
         JOIN brick ON n < runs + l0_slices
    GROUP BY place),
  header AS (
    SELECT place, printf(
      '<text class="table" x="40" y="%d">%s</text>
<text class="dim right" x="1160" y="%d">%d slots, %.1f MB</text>
<line x1="40" x2="1160" y1="%d" y2="%d" stroke="#39425c"/>',
      y + 12, replace(replace(replace(tbl, '&', '&amp;'), '<', '&lt;'),
                      '>', '&gt;'),
      y + 12, slots, total / 1e6, y + 120.5, y + 120.5) AS drawn
    FROM banded WHERE place = first),
  footer AS (
    SELECT f.place, printf(
      '<text class="dim" x="40" y="%d">%s</text>
<text class="dim right" x="1160" y="%d">%s</text>',
      f.y + 154,
      replace(replace(replace(substr(f.first_key, 1, 70), '&', '&amp;'),
                      '<', '&lt;'), '>', '&gt;'),
      f.y + 154,
      'up to ' || replace(replace(replace(substr(l.first_key, 1, 70),
                                          '&', '&amp;'), '<', '&lt;'),
                          '>', '&gt;') || ' and on') AS drawn
    FROM banded AS f JOIN banded AS l ON l.place = f.last
    WHERE f.place = f.first)
SELECT coalesce(header.drawn || char(10), '') ||
  '<g class="slot"><title>' ||
  replace(replace(replace(
    printf('slot %d from %s%sheat %.2f, K %d, %d runs and %d slices in L0%s' ||
           '%.2f MB, reads %d, writes %d, scans %d',
           slot, first_key, char(10), heat, max_runs, runs, l0_slices, char(10),
           (bytes + l0_bytes) / 1e6, reads, writes, scans),
    '&', '&amp;'), '<', '&lt;'), '>', '&gt;') || '</title>' || char(10) ||
  coalesce(bricks.drawn || char(10), '') ||
  printf('<line x1="%.2f" x2="%.2f" y1="%.2f" y2="%.2f" stroke="#e6ebf7" ' ||
         'stroke-opacity="0.55" stroke-dasharray="3 2"/>',
         x, x + width, y + 120 - max_runs * mean.brick,
         y + 120 - max_runs * mean.brick) || char(10) ||
  printf('<rect x="%.2f" y="%d" width="%.2f" height="6" fill="#4aa8ff" ' ||
         'fill-opacity="%.2f"/>', x, y + 125, width,
         coalesce(1.0 * (reads + 2 * scans) / weight /
           nullif(1.0 * (reads + 2 * scans) / weight + mean_reads, 0), 0)) ||
  char(10) ||
  printf('<rect x="%.2f" y="%d" width="%.2f" height="6" fill="#ff8f5a" ' ||
         'fill-opacity="%.2f"/>', x, y + 133, width,
         coalesce(1.0 * writes / weight /
           nullif(1.0 * writes / weight + mean_writes, 0), 0)) ||
  char(10) || '</g>' || coalesce(char(10) || footer.drawn, '')
FROM banded JOIN mean
     LEFT JOIN bricks USING (place)
     LEFT JOIN header USING (place)
     LEFT JOIN footer USING (place)
ORDER BY place;
SELECT printf('<g transform="translate(40 %d)">
<rect width="18" height="10" y="-9" fill="#a52c60" rx="1"/><text x="26" y="0">sorted run</text>
<rect x="120" width="18" height="10" y="-9" fill="none" stroke="#a52c60" rx="1"/><text x="146" y="0">slice in L0</text>
<line x1="240" x2="258" y1="-4" y2="-4" stroke="#e6ebf7" stroke-dasharray="3 2"/><text x="266" y="0">K</text>
<rect x="300" width="18" height="6" y="-7" fill="#4aa8ff"/><text x="326" y="0">reads</text>
<rect x="384" width="18" height="6" y="-7" fill="#ff8f5a"/><text x="410" y="0">writes</text>
</g>
</svg>', 130 + 190 * count(DISTINCT tbl))
FROM nori_slots WHERE tbl IS NOT NULL;

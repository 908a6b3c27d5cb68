#!/usr/bin/env bash
# Builds nori and shows it at work: this machine's Debian package index becomes
# two nori tables, which are queried, changed, and found again by a second
# process. Fails if anything is missing then.
#
# Usage: sql/quickstart.sh
# Needs Debian 12; installs missing packages (as root, or with sudo). Works in a
# temporary directory, leaves only build/ behind, and can be run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

heading() { printf '\n== %s\n' "$*"; }
fail() {
  echo "quickstart.sh: $1" >&2
  exit 1
}

work=$(mktemp -d "${TMPDIR:-/tmp}/nori-quickstart.XXXXXX")
trap 'rm -rf "$work"' EXIT

heading "Building the extension (Release, into build/)"
bash sql/install_deps.sh
{
  cmake --preset release &&
    cmake --build --preset release -j"$(nproc)" --target nori_lsm
} >"$work/build.log" 2>&1 || {
  tail -n 40 "$work/build.log" >&2
  fail "the build failed; the end of its output is above."
}
extension=$PWD/build/nori_lsm
ls -l "$extension.so"

heading "Reading this machine's package index"
# Without lists, apt knows no more than what is installed.
have_lists() { compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; }
if command -v apt-cache >/dev/null && ! have_lists; then
  as_root=()
  ((EUID == 0)) || as_root=(sudo -n)
  echo "There are no package lists yet: apt-get update ..."
  "${as_root[@]}" apt-get update -qq >"$work/apt.log" 2>&1 ||
    echo "apt-get update did not work; going on with the installed packages."
fi
if command -v apt-cache >/dev/null && have_lists &&
  apt-cache dumpavail >"$work/index" 2>/dev/null && [[ -s $work/index ]]; then
  echo "Source: apt-cache dumpavail"
else
  cp /var/lib/dpkg/status "$work/index" || fail "there is no package index to read."
  echo "Source: /var/lib/dpkg/status"
fi
counts=$(python3 sql/packages_to_csv.py "$work" <"$work/index")
read -r package_rows dependency_rows <<<"$counts"
((package_rows > 0 && dependency_rows > 0)) || fail "the package index is empty."
echo "$package_rows packages with $dependency_rows dependencies," \
  "$(du -ch "$work"/*.csv | tail -n 1 | cut -f1) of CSV"

database=$work/debian.db
# run_sql: the stock shell; stops at the first error.
run_sql() { sqlite3 -bail -batch "$database"; }

# Everything that the second process is to find again.
cat >"$work/state.sql" <<SQL
.mode csv
.once '|sha256sum >$work/checksum'
SELECT * FROM packages ORDER BY name, version;
.once '|sha256sum >>$work/checksum'
SELECT * FROM dependencies ORDER BY package, version, kind, position;
.once $work/counts
SELECT (SELECT count(*) FROM packages), (SELECT count(*) FROM dependencies);
.mode list
SQL

heading "First process: import, queries, changes (times as .timer gives them)"
run_sql <<SQL || fail "the first process failed; its message is above."
.load $extension
PRAGMA journal_mode = WAL;

-- One engine holds all nori tables of a database. It gets its options from the
-- first CREATE; these are small, so that this little data shows some structure.
CREATE VIRTUAL TABLE packages USING nori(
  name TEXT, version TEXT, architecture TEXT, section TEXT, priority TEXT,
  installed_kb INTEGER, maintainer TEXT, summary TEXT,
  PRIMARY KEY (name, version),
  memtable_bytes = '4MiB', table_bytes = '2MiB', slot_bytes = '8MiB');
CREATE VIRTUAL TABLE dependencies USING nori(
  package TEXT, version TEXT, kind TEXT, position INTEGER, depends_on TEXT,
  requirement TEXT, choice INTEGER,
  PRIMARY KEY (package, version, kind, position));

CREATE TEMP TABLE started AS SELECT julianday('now') AS at;
.import --csv $work/packages.csv packages
.import --csv $work/dependencies.csv dependencies
SELECT printf('imported %d rows in %.2f s', $package_rows + $dependency_rows,
              (julianday('now') - at) * 86400)
  FROM started;

.timer on
.print
.print -- Point: one package by the first column of the key
SELECT name, version, installed_kb, summary FROM packages WHERE name = 'bash';
.print
.print -- Range: packages from 'sqlite' to 'sqlitf' (a range of the key)
SELECT name, version FROM packages WHERE name >= 'sqlite' AND name < 'sqlitf' LIMIT 8;
.print
.print -- Ordered: the last five names (the key read backwards, nothing is sorted)
SELECT name, version FROM packages ORDER BY name DESC, version DESC LIMIT 5;
.print
.print -- Join: what bash needs, and how large that is
SELECT d.kind, d.depends_on, d.requirement, p.installed_kb
  FROM dependencies AS d LEFT JOIN packages AS p ON p.name = d.depends_on
  WHERE d.package = 'bash' AND d.kind IN ('Pre-Depends', 'Depends');
.print
.print -- Aggregate over a full scan: the packages that most others depend on
SELECT depends_on, count(*) AS dependents FROM dependencies
  WHERE kind = 'Depends' GROUP BY depends_on ORDER BY dependents DESC LIMIT 5;
.print
.print -- Update: a value of every package of one section, and a part of a key
UPDATE packages SET priority = 'reviewed' WHERE section = 'shells';
UPDATE packages SET version = version || '+local' WHERE name = 'bash';
.print
.print -- Delete: all suggestions, in a transaction; and a deletion that is taken back
BEGIN;
DELETE FROM dependencies WHERE kind = 'Suggests';
SAVEPOINT regret;
DELETE FROM packages;
ROLLBACK TO regret;
COMMIT;
.timer off
.print
SELECT printf('%d packages and %d dependencies remain',
              (SELECT count(*) FROM packages), (SELECT count(*) FROM dependencies));
.read $work/state.sql
SQL
mv "$work/checksum" "$work/checksum.expected"
mv "$work/counts" "$work/counts.expected"

remaining=$(cut -d, -f1 "$work/counts.expected")
((remaining == package_rows)) ||
  fail "$package_rows packages were imported and $remaining are there."

heading "Second process: opens the database again and compares"
start=$(date +%s%N)
run_sql <<SQL || fail "the second process failed; its message is above."
.load $extension
.read $work/state.sql
SQL
cmp "$work/counts.expected" "$work/counts" ||
  fail "the second process counts other rows than the first."
cmp "$work/checksum.expected" "$work/checksum" ||
  fail "the second process finds other rows than the first."
echo "The same rows: $(tr ',' ' ' <"$work/counts" | tr -d '\r') (packages, dependencies), the same"
echo "checksums of all their values; opened and read in" \
  "$((($(date +%s%N) - start) / 1000000)) ms."

heading "On disk"
run_sql <<SQL || fail "the last look inside failed; its message is above."
.load $extension
SELECT 'nori_verify: ' || nori_verify();
SELECT printf('slots: %d   sorted runs in them: %d   table files: %d', count(*),
              sum(runs), (SELECT count(*) FROM nori_sstables))
  FROM nori_slots;
SELECT printf('%-14s about %d entries, %.1f MiB', name, entries, bytes / 1048576.0)
  FROM nori_tables;
SQL
du -sh "$database" "$database-nori" | sed "s|$work/||"

heading "Done. To try it yourself:"
echo "sqlite3 my.db"
echo "sqlite> .load $extension"
echo "sqlite> CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, word TEXT);"

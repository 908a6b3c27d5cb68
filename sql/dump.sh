#!/usr/bin/env bash
# Prints a whole database as SQL, the rows of its nori tables included, which the
# shell's own .dump cannot see:
#
#   sql/dump.sh app.db build/nori_lsm > app.sql
#   sqlite3 copy.db '.load build/nori_lsm' '.read app.sql'
#
# Usage: sql/dump.sh DATABASE EXTENSION
# All of it is from one moment. Ordinary tables, indexes, views and triggers are
# printed by .dump; the options of the engine go along.
set -euo pipefail

if (($# != 2)) || [[ ! -f $1 ]]; then
  sed -n '2,/^set/{/^#/p}' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
if ! sqlite3 -batch -readonly "$1" 'SELECT 1 FROM nori_state LIMIT 1' >/dev/null 2>&1; then
  echo "dump.sh: $1 has no nori tables: the shell's .dump prints all of it" >&2
  exit 1
fi
scripts=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The commands are made first, by the same shell and in the same transaction.
sqlite3 -batch -bail -list -noheader "$1" <<SHELL
.load $(realpath "$2" 2>/dev/null || echo "$2")
.read $scripts/dump.sql
BEGIN;
.once $work/commands.sql
SELECT command FROM dump_command ORDER BY step, place, line;
.read $work/commands.sql
COMMIT;
SHELL

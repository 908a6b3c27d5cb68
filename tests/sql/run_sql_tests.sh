#!/bin/sh
# Runs every *.sql here in the sqlite3 shell with the extension loaded and
# compares what it prints with the *.out beside it.
#
#   run_sql_tests.sh [--update] path/to/nori_lsm.so [name ...]
#
# --update writes the *.out files instead. Each script gets an empty directory of
# its own with the database test.db, and the scripts for people as scripts/; in
# the output the directory reads DIR, and n every number of a virtual table's plan.
set -u

update=0
if [ "${1-}" = --update ]; then
  update=1
  shift
fi
if [ $# -lt 1 ] || [ ! -f "$1" ]; then
  echo "usage: $0 [--update] path/to/nori_lsm.so [name ...]" >&2
  exit 2
fi
extension=$(realpath "$1")
shift
here=$(dirname "$(realpath "$0")")
[ $# -gt 0 ] || set -- $(cd "$here" && ls -- *.sql | sed 's/\.sql$//')

failed=0
for name in "$@"; do
  directory=$(mktemp -d)
  (
    cd "$directory" || exit 1
    ln -s "$here/../../sql" scripts
    # The loading line is no part of the script, so errors name its own lines.
    NORI_EXTENSION=$extension timeout 300 sqlite3 -batch \
      -cmd ".load $extension" test.db < "$here/$name.sql" 2>&1
    echo "exit $?"
  ) | sed "s|$directory|DIR|g; s/VIRTUAL TABLE INDEX [0-9]*:/VIRTUAL TABLE INDEX n:/" > "$directory.out"
  if [ "$update" = 1 ]; then
    cp "$directory.out" "$here/$name.out"
    echo "wrote $name.out"
  elif diff -u "$here/$name.out" "$directory.out"; then
    echo "ok   $name"
  else
    echo "FAIL $name"
    failed=1
  fi
  rm -rf "$directory" "$directory.out"
done
exit $failed

#!/usr/bin/env bash
# Runs the programs of sql/examples, each in an empty folder, which must end with
# 'ok'. One whose client is not installed is skipped with a message, or counts as
# failed with --all, which also installs the larger clients (as root) and builds
# better-sqlite3 in build/better-sqlite3.
#
# Usage: tests/examples_test.sh [--all] path/to/nori_lsm.so
set -u

all=0
if [[ ${1-} == --all ]]; then
  all=1
  shift
fi
if [[ ! -f ${1-} ]]; then
  sed -n '2,/^set/{/^#/p}' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
extension=$(realpath "$1")
root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
examples=$root/sql/examples
node_folder=$root/build/better-sqlite3
# The python3 of the path may be one that cannot load extensions.
python=/usr/bin/python3
failed=0

# run NAME COMMAND...
run() {
  local name=$1 folder
  shift
  folder=$(mktemp -d)
  if (cd "$folder" && timeout 300 "$@" "$extension" >"$folder.out" 2>&1) &&
    [[ $(tail -n 1 "$folder.out") == ok ]]; then
    echo "ok   $name"
  else
    tail -n 40 "$folder.out"
    echo "FAIL $name"
    failed=1
  fi
  rm -rf "$folder" "$folder.out"
}

# skip NAME WHY
skip() {
  if ((all)); then
    echo "$2"
    echo "FAIL $1"
    failed=1
  else
    echo "skipped: $1: $2"
  fi
}

# run_python NAME MODULE
run_python() {
  if "$python" -c "import $2" 2>/dev/null; then
    run "$1" "$python" "$examples/$1"
  else
    skip "$1" "$python has no $2"
  fi
}

install_node() {
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    apt-get install -y -qq --no-install-recommends nodejs npm libnode-dev ||
      { apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm libnode-dev; }
  fi
}

run shell.sh "$examples/shell.sh"
run_python python_sqlite3.py sqlite3
run_python python_vfs.py sqlite3
run_python python_apsw.py apsw
run_python sqlalchemy_core.py sqlalchemy
if ((all)) && ! { install_node && "$examples/build_better_sqlite3.sh" "$node_folder"; } \
  >"$root/build/better-sqlite3.log" 2>&1; then
  tail -n 40 "$root/build/better-sqlite3.log"
fi
if [[ -d $node_folder/node_modules/better-sqlite3/build/Release ]]; then
  run better_sqlite3.cjs env NODE_PATH="$node_folder/node_modules" node "$examples/better_sqlite3.cjs"
else
  skip better_sqlite3.cjs "not built; tests/examples_test.sh --all builds it"
fi
exit $failed

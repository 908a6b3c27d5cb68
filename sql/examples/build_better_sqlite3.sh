#!/usr/bin/env bash
# Builds better-sqlite3 from source, with the SQLite that comes with it, in FOLDER, for
# the example better_sqlite3.cjs. Nothing is done if it is there already.
#
# Usage: sql/examples/build_better_sqlite3.sh FOLDER
# Needs node, npm, a C++ compiler, python3, make and Node's headers (Debian: libnode-dev).
set -euo pipefail
# The last major version that takes Node 18, which Debian 12 has.
version=11.10.0

mkdir -p "$1"
cd "$1"
built=node_modules/better-sqlite3/build/Release/better_sqlite3.node
if [[ -f $built && $(<"built-for" 2>/dev/null) == "$version $(node --version)" ]]; then exit 0; fi
# Headers from the machine: node-gyp would fetch them from elsewhere.
headers=
for folder in "$(dirname "$(dirname "$(realpath "$(command -v node)")")")" /usr; do
  if [[ -f $folder/include/node/node.h ]]; then
    headers=$folder
    break
  fi
done
if [[ -z $headers && ! -f /usr/include/nodejs/src/node.h ]]; then
  echo "build_better_sqlite3.sh: no headers of Node; on Debian: apt-get install libnode-dev" >&2
  exit 1
fi
[[ -f package.json ]] || echo '{"private": true}' >package.json
npm install --no-audit --no-fund --ignore-scripts "better-sqlite3@$version"
# Empty: Debian's node-gyp knows where Debian's headers are.
[[ -z $headers ]] || export npm_config_nodedir=$headers
(cd node_modules/better-sqlite3 && npm run build-release)
[[ -f $built ]]
echo "$version $(node --version)" >built-for

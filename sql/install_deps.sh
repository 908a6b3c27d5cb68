#!/usr/bin/env bash
# Installs the Debian packages that building and testing nori needs and that are
# missing here. Says nothing and touches nothing if all of them are there.
#
# Usage: sql/install_deps.sh
set -euo pipefail

packages=(cmake ninja-build g++ libsqlite3-dev sqlite3 libboost-dev libabsl-dev
  libgtest-dev libgmock-dev libbenchmark-dev libboost-program-options-dev libxxhash-dev liblz4-dev
  libzstd-dev clang clang-tidy clang-format ccache python3 python3-apsw python3-sqlalchemy)

fail() {
  echo "install_deps.sh: $1" >&2
  echo "Needed: Debian 12 (or a system with the same packages) and these packages:" >&2
  echo "  ${packages[*]}" >&2
  exit 1
}

# Absence of dpkg is told apart from absence of packages.
command -v dpkg-query >/dev/null || fail "this is not a Debian system (no dpkg-query)."

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $state == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

command -v apt-get >/dev/null || fail "missing: ${missing[*]}; and there is no apt-get."
as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null ||
    fail "missing: ${missing[*]}; run this script as root, or install sudo."
  as_root=(sudo)
fi

echo "Installing ${missing[*]} ..." >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_missing() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1
}
# With package lists that are missing or old the first attempt fails.
if ! install_missing; then
  if ! "${as_root[@]}" apt-get update -qq >"$log" 2>&1 || ! install_missing; then
    cat "$log" >&2
    fail "apt-get could not install ${missing[*]}; its messages are above."
  fi
fi

#!/usr/bin/env bash
# Builds nori and runs its tests. Ends with the line 'N passed, N failed'; exits
# with 0 only if nothing failed.
#
# Usage: tests/run.sh          everything once: Release build, unit, model, SQL
#                              and README tests, clients, checks of the sources
#        tests/run.sh --full   besides, all random tests at full counts with
#                              several seeds and under sanitizers (hours). Can be
#                              interrupted: what has passed for a revision is
#                              remembered in build/full/done/ and not repeated.
#                              Writes tests/full_run_summary.md.
#
# Environment, for both: NORI_TEST_SEED (fixes the seed of random tests),
# NORI_TEST_OPS, NORI_TEST_CRASHES, NORI_TEST_STATEMENTS, NORI_TEST_KILLS (counts
# of the random tests; each test has its own default), NORI_TEST_CRASH_STRIDE (every
# how many-th point the enumerating crash test takes; 1), NORI_TEST_FAULT_STRIDE (the
# same for copies that fail; 7).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=tests/steps.sh
. tests/steps.sh

cpp_files() {
  find engine sqlite_vfs vtab tests bench -name '*.cc' -o -name '*.h' 2>/dev/null | sort
}

check_format() {
  local tool
  tool=$(command -v clang-format-14 || command -v clang-format) || return 1
  case $("$tool" --version) in
    *"version 14."*) ;;
    *)
      echo "clang-format 14 is needed, this is $("$tool" --version)"
      return 1
      ;;
  esac
  cpp_files | xargs "$tool" --dry-run -Werror
}

# Only the entry points may be visible, and the compression and hash libraries
# must be inside.
check_extension() {
  local symbols libraries
  symbols=$(nm -D --defined-only build/nori_lsm.so | awk '{print $NF}' | sort | paste -sd' ') ||
    return 1
  if [[ $symbols != "sqlite3_extension_init sqlite3_norilsm_init" ]]; then
    echo "nori_lsm.so exports: $symbols"
    return 1
  fi
  libraries=$(ldd build/nori_lsm.so) || return 1
  if grep -E 'lib(lz4|zstd|xxhash)' <<<"$libraries"; then
    echo "these should be linked statically"
    return 1
  fi
}

check_tidy() {
  local tool
  tool=$(command -v clang-tidy-14 || command -v clang-tidy) || return 1
  find engine sqlite_vfs vtab -name '*.cc' | sort |
    xargs -P "$(nproc)" -n 4 "$tool" --quiet -p build --warnings-as-errors='*'
}

run_quick() {
  step "install dependencies" bash sql/install_deps.sh || finish
  step "configure and build (Release)" build_preset release all || finish
  # The SQL scripts are a step of their own, which counts them one by one.
  step "unit and model tests" ctest_in build -E '^sql_tests$'
  step "SQL tests" bash tests/sql/run_sql_tests.sh build/nori_lsm.so
  step "exported symbols" check_extension
  step "layering" python3 tests/check_layering.py
  step "tests of the checks" python3 tests/check_layering_test.py
  step "clang-format" check_format
  step "README" python3 tests/readme_test.py build
  step "TPC-H answers" bench/tpch/tpch.py --extension build/nori_lsm.so --dir build/tpch \
    --scale 0.005 --rounds 1
  step "clients" bash tests/examples_test.sh build/nori_lsm.so
}

case ${1-} in
  "")
    run_quick
    finish
    ;;
  --full)
    without_aslr tests/run.sh --full
    run_quick
    . tests/full.sh
    run_full
    finish
    ;;
  *)
    sed -n '2,/^set/{/^#/p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac

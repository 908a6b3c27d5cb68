# shellcheck shell=bash
# The long tier of tests/run.sh: shards, each remembered once it has passed.
# shellcheck disable=SC2034,SC2154  # variables of steps.sh
# Sourced by tests/run.sh after tests/steps.sh.

summary=tests/full_run_summary.md
seeds=(1 2 3)
sanitizer_seeds=(1)
asan_targets=(engine_format_tests engine_io_tests engine_wal_tests engine_memtable_tests
  engine_sstable_tests engine_slots_tests engine_compaction_tests engine_manifest_tests
  engine_iterators_tests engine_core_tests sqlite_vfs_tests vtab_tests nori_lsm sqllogic_tests sqllogic_runner)
tsan_targets=(engine_io_tests engine_wal_tests engine_memtable_tests engine_sstable_tests
  engine_observe_tests engine_core_tests sqlite_vfs_tests vtab_tests nori_lsm sqllogic_tests sqllogic_runner)

# The newest commit of anything but the summary, which is written by this run;
# with a mark of what is not committed.
tested_revision() {
  local revision changes
  revision=$(git log -1 --format=%h -- . ":!$summary") || revision=unversioned
  changes=$(git diff HEAD -- . ":!$summary" 2>/dev/null)
  [[ -z $changes ]] || revision+="-changed-$(sha256sum <<<"$changes" | cut -c1-8)"
  echo "${revision:-unversioned}"
}

# shard NAME COMMAND...: a step that is skipped if it has passed before for this
# revision. The words before the command may be NAME=value settings.
shard() {
  local name=$1 record
  shift
  record=$done_folder/${name//[^A-Za-z0-9_.-]/_}
  if [[ -f $record ]]; then
    local result seconds
    IFS=$'\t' read -r result seconds _ <"$record"
    passed_count=$((passed_count + ${result%% *}))
    printf '%-36s   done before   %s\n' "$name" "$result"
    return 0
  fi
  if step "$name" with_settings "$@"; then
    printf '%s\t%s\t%s\n' "$step_result" "$step_seconds" "$*" >"$record"
    rm -f "$record.failed"
  else
    printf '%s\t%s\t%s\n' "$step_result" "$step_seconds" "$*" >"$record.failed"
  fi
  write_summary
}

# with_settings [NAME=value]... COMMAND...: as env, for functions too.
with_settings() {
  (
    while [[ $1 == *=* ]]; do
      export "${1?}"
      shift
    done
    "$@"
  )
}

write_summary() {
  local record result seconds command
  {
    echo "# Full run of the tests"
    echo
    echo "Written by \`tests/run.sh --full\`; \`ctest_in\` is in tests/steps.sh."
    echo
    echo "- Date: $(date -u '+%Y-%m-%d %H:%M UTC')"
    echo "- Machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
      "$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), Linux $(uname -r)"
    echo "- Revision: $revision"
    echo
    echo "| Shard | Command | Result | Seconds |"
    echo "|---|---|---|---:|"
    for record in "$done_folder"/*; do
      [[ -f $record ]] || continue
      IFS=$'\t' read -r result seconds command <"$record"
      echo "| $(basename "$record") | \`${command//|/\\|}\` | $result | $seconds |"
    done
  } >"$summary.new"
  mv "$summary.new" "$summary"
}

# random_shards LABEL BUILD_FOLDER SEED...: the random tests of one build at full
# counts, a shard for each seed and kind.
random_shards() {
  local label=$1 folder=$2 seed
  shift 2
  for seed in "$@"; do
    shard "$label-engine-model-seed$seed" NORI_TEST_SEED="$seed" NORI_TEST_OPS=200000 \
      ctest_in "$folder" -R '^engine_core\..*Model'
    shard "$label-engine-crash-seed$seed" NORI_TEST_SEED="$seed" NORI_TEST_CRASHES=2000 \
      ctest_in "$folder" -R '^engine_core\..*Crash'
    shard "$label-vtab-seed$seed" NORI_TEST_SEED="$seed" NORI_TEST_STATEMENTS=50000 \
      NORI_TEST_KILLS=50 NORI_TEST_CRASHES=300 ctest_in "$folder" -R '^vtab\.'
  done
}

# page_shards LABEL BUILD_FOLDER CRASHES KILLS SEED...: the random tests of
# databases in the VFS `nori`, with so many crashes and kills for each seed.
page_shards() {
  local label=$1 folder=$2 crashes=$3 kills=$4 seed
  shift 4
  for seed in "$@"; do
    shard "$label-pages-seed$seed" NORI_TEST_SEED="$seed" NORI_TEST_STATEMENTS=50000 \
      NORI_TEST_KILLS="$kills" NORI_TEST_CRASHES="$crashes" NORI_TEST_CRASH_STRIDE=1 \
      ctest_in "$folder" -R '^sqlite_vfs\.'
  done
}

# million_statements: a million random statements and queries, compared with an
# ordinary table, two processes at a time. Prints the documented differences once.
million_statements() {
  local test pids=() failed=0 pid
  for test in DifferentialTest QueryDifferentialTest; do
    NORI_TEST_STATEMENTS=500000 build/tests/vtab_tests --gtest_filter="$test.*" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return "$failed"
}

run_full() {
  local seed
  revision=$(tested_revision)
  done_folder=build/full/done/$revision
  mkdir -p "$done_folder"
  log_folder=build/full/logs
  test_timeout=14400
  random_shards release build "${seeds[@]}"
  page_shards release build 3400 170 "${seeds[@]}"
  shard clients bash tests/examples_test.sh --all build/nori_lsm.so
  shard statements-million NORI_TEST_SEED=1 million_statements
  shard release-atll-model-million NORI_TEST_OPS=1000000 ctest_in build -R '^engine_core\..*AtllModel'
  shard release-copy-faults NORI_TEST_FAULT_STRIDE=1 ctest_in build -R '^vtab\..*CopyFaults'
  step "build (ASan, UBSan)" build_preset asan "${asan_targets[@]}" && {
    shard asan-rest ctest_in build-asan -E '^(engine_core\..*(Model|Crash)|vtab\.|sqlite_vfs\.)|_NOT_BUILT'
    random_shards asan build-asan "${sanitizer_seeds[@]}"
    page_shards asan build-asan 300 20 "${sanitizer_seeds[@]}"
  }
  # Threads meet again and again in few operations; ThreadSanitizer makes each
  # some twenty times as slow.
  step "build (TSan)" build_preset tsan "${tsan_targets[@]}" &&
    for seed in "${sanitizer_seeds[@]}"; do
      shard "tsan-seed$seed" NORI_TEST_SEED="$seed" NORI_TEST_OPS=20000 \
        NORI_TEST_CRASHES=200 NORI_TEST_STATEMENTS=5000 NORI_TEST_KILLS=5 \
        NORI_TEST_CRASH_STRIDE=20 NORI_TEST_FAULT_STRIDE=40 \
        ctest_in build-tsan -E _NOT_BUILT
    done
  shard clang-tidy check_tidy
  write_summary
  echo "Summary: $summary"
}

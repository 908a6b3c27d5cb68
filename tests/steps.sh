# shellcheck shell=bash
# Functions to run checks one after the other, to count them, and to end with
# the line 'N passed, N failed'. Sourced by tests/run.sh and .ci/run.

# gcc 12's AddressSanitizer takes some thread-local blocks of loaded extensions
# for ones with a header before them, reads the header wrongly, and crashes as it
# looks for leaks.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}intercept_tls_get_addr=0

passed_count=0
failed_count=0
failed_steps=()
step_seconds=0
step_result=""
log_folder=build/test-logs

# count_log LOG STATUS: what a step's output says of itself: sets step_passed
# and step_failed. Understands ctest's summary, a closing 'N passed, N failed',
# and lines 'ok NAME' and 'FAIL NAME'; any other step counts as one.
count_log() {
  local log=$1 status=$2 line
  step_passed=0
  step_failed=0
  if line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1) && [[ $line ]]; then
    step_passed=${line%% *}
    step_failed=$(sed -E 's/.*, ([0-9]+) failed$/\1/' <<<"$line")
  elif line=$(grep -E 'tests passed, [0-9]+ tests? failed out of [0-9]+' "$log" | tail -n 1) &&
    [[ $line ]]; then
    step_failed=$(sed -E 's/.*passed, ([0-9]+) tests? failed.*/\1/' <<<"$line")
    step_passed=$(($(sed -E 's/.*out of ([0-9]+).*/\1/' <<<"$line") - step_failed))
  elif grep -qE '^(ok|FAIL) +[^ ]+$' "$log"; then
    step_passed=$(grep -cE '^ok +[^ ]+$' "$log")
    step_failed=$(grep -cE '^FAIL +[^ ]+$' "$log")
  elif ((status == 0)); then
    step_passed=1
  fi
  # A step that fails counts, whatever it printed.
  if ((status != 0 && step_failed == 0)); then step_failed=1; fi
}

# step NAME COMMAND...: runs the command with its output in a log; prints one
# line, and the end of the log if it failed. Returns the command's success.
step() {
  local name=$1 status=0 start=$SECONDS log
  shift
  mkdir -p "$log_folder"
  log=$log_folder/${name//[^A-Za-z0-9_.-]/_}.log
  "$@" >"$log" 2>&1 </dev/null || status=$?
  step_seconds=$((SECONDS - start))
  count_log "$log" "$status"
  passed_count=$((passed_count + step_passed))
  failed_count=$((failed_count + step_failed))
  step_result="$step_passed passed, $step_failed failed"
  printf '%-36s %5d s   %s\n' "$name" "$step_seconds" "$step_result"
  ((step_failed == 0)) && return 0
  failed_steps+=("$name ($log)")
  echo "---- $name: $* (exit $status); the end of $log:"
  tail -n 60 "$log"
  echo "----"
  return 1
}

# finish: the closing lines and the exit status of the whole run.
finish() {
  local name
  for name in "${failed_steps[@]}"; do echo "failed: $name"; done
  echo "$passed_count passed, $failed_count failed"
  ((failed_count == 0 && passed_count > 0)) || exit 1
  exit 0
}

# ctest_in BUILD_FOLDER [ARGUMENT...]: runs tests; finding none is a failure, as
# is one that takes longer than $test_timeout seconds. Tests that pass are not
# listed. REQUIRES: set -o pipefail.
test_timeout=900
ctest_in() {
  local folder=$1
  shift
  ctest --test-dir "$folder" -j2 --timeout "$test_timeout" --no-tests=error \
    --output-on-failure "$@" | grep -vE '^ +Start +[0-9]+: | Passed +[0-9.]+ sec *$'
}

# build_preset PRESET TARGET...: configures and builds the targets; goes on after
# an error, to show all of them.
build_preset() {
  local preset=$1
  shift
  cmake --preset "$preset" && cmake --build --preset "$preset" -j"$(nproc)" --target "$@" -- -k 0
}

# without_aslr SCRIPT [ARGUMENT...]: starts the script anew without random
# addresses, where that is allowed, and only once: ThreadSanitizer of gcc 12
# does not start if the kernel spreads addresses too widely.
without_aslr() {
  if [[ -z ${NORI_WITHOUT_ASLR-} ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
    NORI_WITHOUT_ASLR=1 exec setarch "$(uname -m)" -R bash "$@"
  fi
}

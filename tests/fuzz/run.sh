#!/usr/bin/env bash
# Runs the fuzzers of tests/fuzz under clang's libFuzzer with AddressSanitizer and
# UndefinedBehaviorSanitizer. What is found lies in build/fuzz-found/NAME/; replay
# it with build-fuzz/tests/fuzz/NAME_fuzzer FILE, mend the bug, and add the input
# to tests/fuzz/corpus/NAME/.
#
# Usage: tests/fuzz/run.sh SECONDS [NAME...]     each of them, or those named
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

if [[ ! ${1-} =~ ^[0-9]+$ ]]; then
  sed -n '2,/^set/{/^#/p}' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
seconds=$1
shift
names=("$@")
if ((${#names[@]} == 0)); then
  for source in tests/fuzz/*_fuzzer.cc; do
    names+=("$(basename "$source" _fuzzer.cc)")
  done
fi

# Only here: the other tests need no libFuzzer.
if ! compgen -G '/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a' >/dev/null; then
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get install -y -qq clang-14 libclang-rt-14-dev || exit 1
fi
cmake --preset fuzz && cmake --build --preset fuzz --target fuzzers || exit 1

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
failed=0
for name in "${names[@]}"; do
  found=build/fuzz-found/$name
  mkdir -p "$found" "build-fuzz/corpus/$name"
  dictionary=()
  [[ ! -f tests/fuzz/$name.dict ]] || dictionary=("-dict=tests/fuzz/$name.dict")
  # New inputs go to the first folder, which is not kept.
  if "build-fuzz/tests/fuzz/${name}_fuzzer" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=1500 -malloc_limit_mb=512 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$found/" "${dictionary[@]}" \
    "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name"; then
    echo "ok $name"
  else
    echo "FAIL $name"
    failed=1
  fi
done
exit "$failed"

#!/usr/bin/env bash
# Builds the emulator, its own tests and those of kernels with AddressSanitizer and UndefinedBehaviorSanitizer, and runs the tests; and the
# drivers of the C interface, which tests/sanitized/suites.sh runs.
# Called by Maven: sanitized-build.sh <build directory>
set -euo pipefail
build_dir=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

for library in libasan.so libubsan.so; do
  # g++ prints the bare name of a library that it does not have.
  [ -e "$(g++ -print-file-name=$library)" ] || {
    echo "sails4j: $library is missing, which the sanitized run needs. Install it (Debian/Ubuntu: it comes with g++)" \
      "or pass -Dsails.sanitized.skip=true." >&2
    exit 1
  }
done

mkdir -p "$build_dir"
cmake -S "$root" -B "$build_dir" -DCMAKE_BUILD_TYPE=Release -DSAILS_SANITIZE=ON -DSAILS_CUDA=OFF >"$build_dir/configure.log" 2>&1 ||
  { cat "$build_dir/configure.log" >&2; exit 1; }
cmake --build "$build_dir" --parallel "$(nproc)" --target sails_emulator sails_emulator_test sails_kernels_test \
  sails_hostile_calls_test sails_allocation_failure_test >"$build_dir/build.log" 2>&1 ||
  { cat "$build_dir/build.log" >&2; exit 1; }
grep -E 'warning:' "$build_dir/build.log" >&2 || true

export ASAN_OPTIONS=detect_leaks=0:handle_segv=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
"$build_dir/sails_emulator_test"
"$build_dir/sails_kernels_test"

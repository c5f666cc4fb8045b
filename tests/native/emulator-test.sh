#!/usr/bin/env bash
# Builds and runs the emulator's own tests in the build directory of the ordinary libraries: without sanitizers it finds a fault by its own
# red zones.
# Called by Maven: emulator-test.sh <build directory>
set -euo pipefail
build_dir=$1
cmake --build "$build_dir" --parallel "$(nproc)" --target sails_emulator_test >"$build_dir/build-test.log" 2>&1 ||
  { cat "$build_dir/build-test.log" >&2; exit 1; }
grep -E 'warning:' "$build_dir/build-test.log" >&2 || true
"$build_dir/sails_emulator_test"

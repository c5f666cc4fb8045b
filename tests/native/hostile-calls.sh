#!/usr/bin/env bash
# Random legal and illegal calls of the whole C interface on libsails_cpu and libsails_emulator, both built with AddressSanitizer and
# UndefinedBehaviorSanitizer, with one seed after another for a while: hostile-calls.sh SECONDS [FIRST_SEED]
# A failure tells its seed and step.
set -euo pipefail
seconds=${1:?how many seconds}
seed=${2:-1}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ -n "$(ls build/asan/CMakeCache.txt 2>/dev/null)" ] || cmake --preset asan
cmake --build build/asan --parallel "$(nproc)" --target sails_cpu sails_onednn sails_emulator sails_hostile_calls_test
export ASAN_OPTIONS=allocator_may_return_null=1:quarantine_size_mb=64 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
  for run in "sails_cpu matmul=own" "sails_cpu isa=generic,matmul=own" "sails_cpu " "sails_emulator kernels=hopper" \
    "sails_emulator kernels=portable,head_mib=1"; do
    build/asan/sails_hostile_calls_test "build/asan/lib${run%% *}.so" native/include/sails.h --options "${run#* }" --seed "$seed" \
      --steps 4000
  done
  seed=$((seed + 1))
done

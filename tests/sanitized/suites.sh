#!/usr/bin/env bash
# Runs every kernel of the conformance suite in the sanitized emulator, so that an access outside a tensor or a shared array stops the run
# with its place; with the kernels of sm_90a and with those of every card in turn. Values, and that a second call gives the same bits,
# ConformanceTest checks with the same kernels: here it is memory that is looked at.
# And random legal and illegal calls of the whole C interface, of the emulator, and of the CPU library that is shipped: that one is not
# built with sanitizers here (three instruction sets take minutes), but its memory is theirs. hostile-calls.sh does both, and for longer.
# And lets every n-th allocation fail in the CPU library and in the emulator, as both are shipped.
# Called by Maven in the phase integration-test:
#   suites.sh <sanitized build directory> <directory of the ordinary libraries> <directory for logs> <class path> <seeds...>
set -euo pipefail
build_dir=$1
libraries=$2
logs=$3
class_path=$4
shift 4
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
header=$root/native/include/sails.h
jdk=$("$root/sails" java-home)
preload="$(g++ -print-file-name=libasan.so):$(g++ -print-file-name=libubsan.so)"
kernels=(hopper portable)
mkdir -p "$logs"
rm -f "$logs"/*.failed

hostile_calls() {
  ASAN_OPTIONS=allocator_may_return_null=1:quarantine_size_mb=64 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    "$build_dir/sails_hostile_calls_test" "$1" "$header" --seed "$2" --steps "$3" --options "$4" 2>"$logs/hostile.log" ||
    { grep -v 'WARNING: AddressSanitizer failed to allocate' "$logs/hostile.log"; return 1; }
}
interface() {
  "$build_dir/sails_allocation_failure_test" "$libraries/libsails_cpu.so" "$header" --options matmul=own --rounds 1 &&
    "$build_dir/sails_allocation_failure_test" "$libraries/libsails_emulator.so" "$header" --options kernels=hopper --rounds 1 &&
    hostile_calls "$libraries/libsails_cpu.so" "$1" 4000 matmul=own &&
    hostile_calls "$libraries/libsails_cpu.so" "$1" 600 matmul=onednn &&
    hostile_calls "$build_dir/libsails_emulator.so" "$1" 300 kernels=hopper
}
# The JVM catches SIGSEGV for its own purposes and frees little at its end.
conformance() {
  ASAN_OPTIONS=detect_leaks=0:handle_segv=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 LD_PRELOAD=$preload \
    "$jdk/bin/java" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    --enable-native-access=ALL-UNNAMED -Dsails.library.dir="$build_dir" -cp "$class_path" io.sails4j.cli.Main \
    selftest --backend emulator --backend-options "seed=$1,kernels=$2,head_mib=1" --seed "$1" --check memory ${3:+--operations "$3"}
}
# The operations of the header's sections that are named.
operations_of() {
  for section in "$@"; do
    sed -n "/^\/\* -\{9,\} $section/,/^\/\* -\{9,\} /p" "$header" | sed -n 's/^SAILS_API.* sails_\([a-z0-9_]*\)(.*/\1/p'
  done | grep -v '_workspace_bytes$' | paste -sd,
}
# Sections that choose kernels of sm_90a where they may: those of the others are the same under any option.
choosing() {
  grep -lE 'hopper_kernels|persistent\(\)' "$root"/native/cuda/*.cu | xargs -n 1 basename -s .cu | grep -v device
}

# shellcheck disable=SC2046  # one word a section
operations=('' "$(operations_of $(choosing))")
# Each run keeps one core busy: side by side, and each told whole when it has ended.
run=0
pids=()
for seed in "$@"; do
  conformance "$seed" "${kernels[run % 2]}" "${operations[run % 2]}" >"$logs/$run.log" 2>&1 &
  pids+=($!)
  run=$((run + 1))
done
interface "$1" >"$logs/$run.log" 2>&1 &
pids+=($!)
failed=0
for ((i = 0; i <= run; i++)); do
  wait "${pids[i]}" || { failed=1; cp "$logs/$i.log" "$logs/$i.failed"; }
  cat "$logs/$i.log"
done
exit $failed

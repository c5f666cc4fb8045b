#!/usr/bin/env bash
# Builds the emulator with AddressSanitizer and UndefinedBehaviorSanitizer and runs every kernel of the conformance suite in it, so that an
# access outside a tensor or a shared array stops the run with its place; with the kernels of sm_90a and with those of every card in turn.
# Each is called once here: that a second call gives the same bits ConformanceTest checks.
# And random legal and illegal calls of the whole C interface, of the emulator, and of the CPU library that is shipped: that one is not
# built with sanitizers here (three instruction sets take minutes), but its memory is theirs. hostile-calls.sh does both, and for longer.
# Called by Maven in the phase integration-test:
#   sanitized.sh <build directory> <unpacked oneDNN directory> <directory of the ordinary libraries> <class path> <seeds...>
set -euo pipefail
build_dir=$1
dnnl_dir=$2
libraries=$3
class_path=$4
shift 4
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

asan=$(g++ -print-file-name=libasan.so)
ubsan=$(g++ -print-file-name=libubsan.so)
for library in "$asan" "$ubsan"; do
  # g++ prints the bare name of a library that it does not have.
  [ -e "$library" ] || {
    echo "sails4j: $library is missing, which the sanitized run needs. Install it (Debian/Ubuntu: it comes with g++)" \
      "or pass -Dsails.sanitized.skip=true." >&2
    exit 1
  }
done

mkdir -p "$build_dir"
cmake -S "$root" -B "$build_dir" -DCMAKE_BUILD_TYPE=Release -DSAILS_SANITIZE=ON -DSAILS_CUDA=OFF \
  -DSAILS_DNNL_DIR="$dnnl_dir" >"$build_dir/configure.log" 2>&1 || { cat "$build_dir/configure.log" >&2; exit 1; }
cmake --build "$build_dir" --parallel "$(nproc)" --target sails_emulator sails_emulator_test sails_hostile_calls_test \
  >"$build_dir/build.log" 2>&1 ||
  { cat "$build_dir/build.log" >&2; exit 1; }
grep -E 'warning:' "$build_dir/build.log" >&2 || true

# The JVM catches SIGSEGV for its own purposes and frees little at its end.
header=$root/native/include/sails.h
hostile_calls() {
  ASAN_OPTIONS=allocator_may_return_null=1:quarantine_size_mb=64 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    "$build_dir/sails_hostile_calls_test" "$1" "$header" --seed "$2" --steps "$3" --options "$4" 2>"$build_dir/hostile.log" ||
    { grep -v 'WARNING: AddressSanitizer failed to allocate' "$build_dir/hostile.log" >&2; exit 1; }
}
hostile_calls "$libraries/libsails_cpu.so" "$1" 4000 matmul=own
hostile_calls "$libraries/libsails_cpu.so" "$1" 600 matmul=onednn
hostile_calls "$build_dir/libsails_emulator.so" "$1" 300 kernels=hopper
export ASAN_OPTIONS=detect_leaks=0:handle_segv=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
"$build_dir/sails_emulator_test"
jdk=$("$root/sails" java-home)
kernels=(hopper portable)
# The runs keep one core busy each: side by side, and each told whole when it has ended.
run=0
pids=()
for seed in "$@"; do
  variant=${kernels[run % 2]}
  LD_PRELOAD="$asan:$ubsan" "$jdk/bin/java" --enable-native-access=ALL-UNNAMED -Dsails.library.dir="$build_dir" -cp "$class_path" \
    io.sails4j.cli.Main selftest --backend emulator --backend-options "seed=$seed,kernels=$variant,head_mib=1" --seed "$seed" --once \
    >"$build_dir/selftest-$run.log" 2>&1 &
  pids+=($!)
  run=$((run + 1))
done
failed=0
for ((i = 0; i < run; i++)); do
  wait "${pids[i]}" || failed=1
  cat "$build_dir/selftest-$i.log"
done
exit $failed

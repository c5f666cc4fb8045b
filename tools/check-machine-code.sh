#!/usr/bin/env bash
# Holds the kernels' machine code to kernels/promises.txt: widths of loads and stores, order of products and waits, spills, size. Needs nvcc,
# c++filt and Java 25, no GPU. All kernels take minutes (those of one file seconds), so that no build runs this by itself.
#
#   tools/check-machine-code.sh                        all files of native/cuda, for sm_80 and sm_90a
#   tools/check-machine-code.sh gemv attention         these files
#   tools/check-machine-code.sh --show gemv            prints what is found in each kernel instead
#
# Ends with 1 where a promise is broken, with 2 where something is missing; without nvcc with 0, aloud. JOBS=n limits how many files are
# compiled at once. What is compiled stays in build/machine-code/, where a file is compiled anew only after a source has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "tools/check-machine-code.sh: $1" >&2
  exit 2
}

command -v nvcc >/dev/null || {
  echo "tools/check-machine-code.sh: nvcc is not found, machine code is not checked (install the CUDA toolkit, 12.8 or newer)" >&2
  exit 0
}
command -v c++filt >/dev/null || fail "c++filt is not found: install binutils."
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
command -v "$java" >/dev/null || fail "$java is not found: install a JDK 25 or set JAVA_HOME."

options=()
names=()
for argument in "$@"; do
  case $argument in
    --show) options+=(--show) ;;
    *)
      [ -f "native/cuda/$argument.cu" ] || fail "'$argument' is no file of native/cuda, expected names like gemv or attention."
      names+=("$argument")
      ;;
  esac
done
if [ ${#names[@]} -eq 0 ]; then
  for source in native/cuda/*.cu; do names+=("$(basename "$source" .cu)"); done
else
  options+=(--some)
fi

out=build/machine-code
mkdir -p "$out"
compile() {
  local cubin=$out/$1.$2.cubin
  [ -z "$(find kernels native -type f ! -name '*.txt' -newer "$cubin" -print -quit 2>&1)" ] && return
  nvcc -std=c++17 -O3 -gencode "arch=compute_${2#sm_},code=$2" -I kernels -I native -I native/include -cubin -o "$cubin.new" \
    "native/cuda/$1.cu" >"$cubin.log" 2>&1 || { cat "$cubin.log" >&2; return 1; }
  mv "$cubin.new" "$cubin"
}
export -f compile
export out
cubins=()
for name in "${names[@]}"; do
  for arch in sm_80 sm_90a; do
    cubins+=("$out/$name.$arch.cubin")
    echo "$name $arch"
  done
done >"$out/wanted"
xargs -P "${JOBS:-$(nproc)}" -L1 bash -c 'compile "$@"' _ <"$out/wanted" || fail "nvcc failed, see above."

# Straight from its sources: nothing has to be built for this.
exec "$java" -XX:TieredStopAtLevel=1 tests/src/test/java/io/sails4j/machinecode/CheckMachineCode.java kernels/promises.txt \
  "${options[@]}" "${cubins[@]}"

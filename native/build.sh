#!/usr/bin/env bash
# Configures and builds the native libraries with CMake and puts them where the jar takes its resources from.
# Called by Maven: build.sh <build directory> <unpacked oneDNN directory> <output directory> <cuda: auto|on|all|off>
#   auto  libsails_cuda for this machine's cards (by nvidia-smi) where nvcc and an NVIDIA driver are found, none otherwise
#   on    libsails_cuda for all architectures (a few minutes); needs nvcc
#   all   the same where nvcc is found; where not, none, and a sentence says so
set -euo pipefail
build_dir=$1
dnnl_dir=$2
out_dir=$3
cuda=$4
source_dir=$(cd "$(dirname "$0")/.." && pwd)

missing() {
  echo "sails4j: $1 is missing. $2" >&2
  exit 1
}
command -v cmake >/dev/null ||
  missing "CMake 3.20 or newer" "Install it (Debian/Ubuntu: apt-get install cmake) and run the same command again."
[ -n "${CXX:-}" ] || command -v c++ >/dev/null || command -v g++ >/dev/null ||
  missing "a C++20 compiler (GCC 11 or newer)" "Install it (Debian/Ubuntu: apt-get install g++) and run the same command again."

# What this machine's cards want machine code for, "" where nvidia-smi does not say. Not CMake's "native": for a card of 9.0 that is sm_90,
# which has no wgmma and so none of the kernels made for it. Cards before 8.0 are left out: no kernel runs there.
architectures() {
  { nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null || true; } | tr -d '. ' | sort -u |
    awk '/^[0-9]+$/ && $1 >= 80 { printf "%s%s-real", separator, $1 == 90 ? "90a" : $1; separator = ";" }'
}

nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
cuda_options=(-DSAILS_CUDA=OFF)
# -U: a build directory remembers what it was last asked for.
all_cards=(-DSAILS_CUDA=ON "-DCMAKE_CUDA_COMPILER=$nvcc" -USAILS_CUDA_ARCHITECTURES)
case $cuda in
  on)
    [ -n "$nvcc" ] || missing "nvcc (CUDA 12.8 or newer)" "Put it on the PATH, or leave out -Dsails.cuda=on."
    cuda_options=("${all_cards[@]}")
    ;;
  all)
    if [ -n "$nvcc" ]; then
      cuda_options=("${all_cards[@]}")
    else
      echo "sails4j: nvcc (CUDA 12.8 or newer) is not on the PATH: libsails_cuda is left out, this build will not use a GPU." >&2
    fi
    ;;
  auto)
    if [ -n "$nvcc" ] && [ -e /proc/driver/nvidia/version ]; then
      own_cards=$(architectures)
      cuda_options=("${all_cards[@]}")
      [ -z "$own_cards" ] || cuda_options=(-DSAILS_CUDA=ON "-DCMAKE_CUDA_COMPILER=$nvcc" "-DSAILS_CUDA_ARCHITECTURES=$own_cards")
    fi
    ;;
  off) ;;
  *) echo "sails4j: -Dsails.cuda=$cuda; expected auto, on, all or off" >&2; exit 1 ;;
esac

mkdir -p "$build_dir" "$out_dir"
cmake -S "$source_dir" -B "$build_dir" -DCMAKE_BUILD_TYPE=Release -DSAILS_DNNL_DIR="$dnnl_dir" \
  "${cuda_options[@]}" >"$build_dir/configure.log" 2>&1 ||
  { cat "$build_dir/configure.log" >&2; exit 1; }
cmake --build "$build_dir" --parallel "$(nproc)" >"$build_dir/build.log" 2>&1 || { cat "$build_dir/build.log" >&2; exit 1; }
grep -E 'warning:|warning #' "$build_dir/build.log" >&2 || true

# cp -u: Maven's next build must not see 90 MB of unchanged libraries as new.
cp -u "$build_dir"/libsails_{cpu,onednn,emulator}.so "$dnnl_dir/libdnnl.so.3" "$dnnl_dir/libgomp.so.1" "$out_dir/"
if [ "${cuda_options[0]}" = -DSAILS_CUDA=ON ]; then
  cp -u "$build_dir/libsails_cuda.so" "$out_dir/"
else
  rm -f "$out_dir/libsails_cuda.so"
fi

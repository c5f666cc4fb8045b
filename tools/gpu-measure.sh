#!/usr/bin/env bash
# Measures sails4j on a GPU host, from the unpacked archive (or a built checkout), and PyTorch beside it on the same card where a python3
# with torch is found:
#
#   tools/gpu-measure.sh [--out DIR] [--only PART,...] [--limit SECONDS] [--models 2b,9b] [--reference DIR] [--python PROGRAM] [--dry-run]
#
#   --out DIR        where everything goes (default: measurements-DATE); a later call with the same directory adds to it
#   --only PART,...  facts, selftest, sanitizer, bench, torch, table, or one of their parts such as bench-kernels (default: all)
#   --limit SECONDS  a part that takes longer is stopped and what it has measured stays (default: 540)
#   --models NAMES   whose shapes are timed (default: 2b,9b)
#   --reference DIR  parity data for selftest
#   --python PROGRAM the Python with torch (default: python3)
#   --dry-run        the same way on this machine: the emulator, tiny shapes, torch on the CPU
#
# Parts: facts, selftest-hopper, selftest-few, selftest-single, selftest-portable, sanitizer-memcheck, sanitizer-racecheck, bench-kernels,
# bench-layer, bench-step, bench-decode, bench-sae, single-kernels, single-sae (without clusters of blocks), torch-kernels, torch-sae,
# torch-layer, torch-step, table. Each leaves NAME.txt (its output) and NAME.log (messages); summary.md has the ratios. Exits with 1 if a
# part failed, 2 if the options are wrong. What is not there (torch, compute-sanitizer) is said and is no failure.
set -euo pipefail

fail() {
  echo "gpu-measure: $1" >&2
  exit 2
}

out=measurements-$(date -u +%Y-%m-%d)
only='' limit=540 models=2b,9b reference='' python=python3 dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --out | --only | --limit | --models | --reference | --python)
      [ $# -gt 1 ] || fail "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    --help | -h)
      sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *) fail "unknown option '$1'; --help lists them" ;;
  esac
  shift
done
[[ $limit =~ ^[0-9]+$ ]] || fail "--limit is '$limit', expected seconds"

home=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
programs=$home/tools/gpu-measure
sails=$home/bin/sails
[ -x "$sails" ] || sails=$home/sails
[ -x "$sails" ] || fail "there is no bin/sails beside tools/: run this from the unpacked archive"
mkdir -p "$out"
out=$(cd "$out" && pwd)

backend=(--backend cuda)
bench=(--models "$models")
if [ -n "$dry_run" ]; then
  backend=(--backend emulator)
  bench=(--quick)
fi
parity=()
[ -z "$reference" ] || parity=(--reference "$reference")
failures=0

# Whether --only names the part or the group that it belongs to.
wanted() {
  [ -z "$only" ] || [[ ,$only, == *,$1,* || ,$only, == *,${1%%-*},* ]]
}

# Runs a part with its limit, keeps its output and its end in parts.tsv.
part() {
  local name=$1
  shift
  wanted "$name" || return 0
  echo "== $name" >&2
  local status=0 started=$SECONDS result='done'
  timeout --kill-after=15 "$limit" "$@" >"$out/$name.txt" 2>"$out/$name.log" || status=$?
  case $status in
    0) ;;
    124 | 137)
      result="stopped after $limit s"
      # compute-sanitizer tells what it finds at once.
      if grep -qsE '^=+ (Invalid|Error|Race|Potential|Barrier|Uninitialized)' "$out/$name.txt"; then
        result="$result, WITH ERRORS"
        failures=$((failures + 1))
      fi
      ;;
    *)
      result="FAILED with $status"
      failures=$((failures + 1))
      tail -n 5 "$out/$name.log" "$out/$name.txt" >&2
      ;;
  esac
  echo "   $result, $((SECONDS - started)) s" >&2
  printf '%s\t%s\t%s\n' "$name" "$result" "$((SECONDS - started))" >>"$out/parts.tsv"
}

# A part that cannot run here: said, and kept for the summary.
left_out() {
  wanted "$1" || return 0
  echo "== $1: LEFT OUT: $2" >&2
  printf '%s\tleft out: %s\t0\n' "$1" "$2" >>"$out/parts.tsv"
}

facts() {
  if [ -z "$dry_run" ] && command -v nvidia-smi >/dev/null &&
    nvidia-smi --query-gpu=compute_cap --format=csv,noheader | grep -q '^9\.0'; then
    # Everything else would measure the wrong kernels.
    "$sails" selftest "${backend[@]}" --operations convert | grep 'wgmma' ||
      { echo "this library has no code for sm_90a: no wgmma on a card of 9.0"; return 1; }
  fi
  date -u '+date: %Y-%m-%dT%H:%M:%SZ'
  "$sails" --version
  echo "SAILS_CUBLASLT: ${SAILS_CUBLASLT:-not set}"
  uname -srm
  grep -m1 'model name' /proc/cpuinfo || true
  if command -v nvidia-smi >/dev/null; then
    local query=name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.memory,clocks.sm,temperature.gpu,persistence_mode
    nvidia-smi "--query-gpu=$query" --format=csv
    nvidia-smi
  else
    echo "nvidia-smi: not found"
  fi
}

# The conformance suite with one choice of kernels. Chosen for four multiprocessors, its small shapes take the ways of large ones: several
# tiles a block, pairs of blocks, rings that go round; as in the emulator, which has four.
selftest() {
  "$sails" selftest "${backend[@]}" --backend-options "$1" "${parity[@]}"
}

find_sanitizer() {
  local program
  for program in "$(command -v compute-sanitizer)" /usr/local/cuda*/bin/compute-sanitizer; do
    [ ! -x "$program" ] || { echo "$program"; return; }
  done
}

sanitizer() {
  "$sanitizer" --tool "$1" --target-processes all --error-exitcode 9 --print-limit 20 --report-api-errors no \
    "$sails" selftest "${backend[@]}" \
    --backend-options multiprocessors=4
}

# Writes NAME.md after every line, so that a part that is stopped leaves what it has.
bench_group() {
  "$sails" bench "$1" "${backend[@]}" "${bench[@]}" --out "$out/bench-$1.md"
}

# The same, block by block: what clusters are worth.
single_group() {
  "$sails" bench "$1" "${backend[@]}" --backend-options clusters=off "${bench[@]}" --out "$out/single-$1.md"
}

# PyTorch at our shapes under our names: lines of operation, shape, variant, seconds.
peer() {
  DRY_RUN=$dry_run MODELS=$models "$python" "$programs/torch_peer.py" "$1" "$out/torch-$1.tsv"
}

# ours / torch / ceiling: bench-*.md joined with torch-*.tsv by operation and shape.
table() {
  echo "# Measurements"
  echo
  echo "- $("$sails" --version)"
  if [ -f "$out/facts.txt" ]; then
    sed -n 's/^date: /- /p' "$out/facts.txt" | head -n 1
    awk '/^name, driver_version/ { getline; print "- card: " $0; exit }' "$out/facts.txt"
  fi
  cat "$out"/bench-*.md 2>/dev/null | grep '^- device' | sort -u || true
  local file
  for file in "$out"/bench-*.md; do
    [ ! -f "$file" ] || sed -n "s/^- \\(ceiling\\|does not fit\\)/- $(basename "$file" .md): \\1/p" "$file"
  done
  cat "$out"/torch-*.txt 2>/dev/null | sed -n 's/^# torch/- torch/p' | sort -u || true
  echo
  echo "| part | how it ended | s |"
  echo "|---|---|--:|"
  # A part that was run again counts once, as it ended last.
  awk -F '\t' -f "$programs/parts.awk" "$out/parts.tsv"
  echo
  echo "Time of one call; \"of ceiling\" by the roofline of the copy and the product measured in the same run;" \
    "\"faster\" is torch's time over ours."
  echo
  echo "| operation | shape | ours | of ceiling | torch | variant | faster |"
  echo "|---|---|--:|--:|--:|---|--:|"
  cat "$out"/torch-*.tsv 2>/dev/null >"$out/torch.tsv" || true
  cat "$out"/bench-*.md 2>/dev/null | awk -F '\t' -v peers="$out/torch.tsv" -f "$programs/join.awk"
  clusters_table
}

# What clusters of blocks are worth to the operations that have them.
clusters_table() {
  compgen -G "$out/single-*.md" >/dev/null || return 0
  echo
  echo "Pairs of blocks that share what they read, beside single blocks (\`clusters=off\`)."
  echo
  echo "| operation | shape | pairs | single | faster |"
  echo "|---|---|--:|--:|--:|"
  cat "$out"/single-*.md | awk -v pairs="$(cat "$out"/bench-*.md 2>/dev/null)" -f "$programs/clusters.awk"
}

# timeout runs programs, so a part is this script's function in a shell of its own.
as_program() {
  export -f facts selftest sanitizer bench_group single_group peer table clusters_table
  export sails out python dry_run models sanitizer programs
  local name=$1
  shift
  part "$name" bash -c "$(declare -p backend bench parity); set -euo pipefail; \"\$@\"" bash "$@"
}

# cuBLASLt for the ceiling: the one that PyTorch brings, where the system has none.
find_cublaslt() {
  "$python" "$programs/find_cublaslt.py" 2>/dev/null || true
}

if [ -z "${SAILS_CUBLASLT:-}" ] && ! ldconfig -p 2>/dev/null | grep -q 'libcublasLt\.so\.1[23]'; then
  SAILS_CUBLASLT=$(find_cublaslt)
  [ -z "$SAILS_CUBLASLT" ] || export SAILS_CUBLASLT
fi
sanitizer=$(find_sanitizer)
as_program facts facts
as_program selftest-hopper selftest kernels=hopper
as_program selftest-few selftest kernels=hopper,multiprocessors=4
as_program selftest-single selftest kernels=hopper,clusters=off,multiprocessors=4
as_program selftest-portable selftest kernels=portable
for tool in memcheck racecheck; do
  if [ -n "$sanitizer" ]; then
    as_program "sanitizer-$tool" sanitizer "$tool"
  else
    left_out "sanitizer-$tool" "compute-sanitizer is not found; it comes with the CUDA toolkit"
  fi
done
for group in kernels layer step decode sae; do as_program "bench-$group" bench_group "$group"; done
for group in kernels sae; do as_program "single-$group" single_group "$group"; done
for group in kernels sae layer step; do
  if "$python" -c 'import torch' 2>/dev/null; then
    as_program "torch-$group" peer "$group"
  else
    left_out "torch-$group" "$python has no torch; --python names another"
  fi
done
if wanted table; then
  table >"$out/summary.md"
  echo "gpu-measure: $out/summary.md" >&2
fi
[ "$failures" = 0 ]

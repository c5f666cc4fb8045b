#!/usr/bin/env bash
# Puts sails4j beside what a user would take instead, on this machine's CPU: the same shapes, the same number of threads, by turns.
#
#   jmh/peers/run.sh --out DIR [--rounds N] [--groups kernels,layer,sae,step,decode] [--threads N] [--python PYTHON] [--sails SAILS]
#
# llama.cpp is npm's node-llama-cpp, with the libraries that come with it; --groups decode fetches it into DIR/node where npm is found, and
# gives it the weights of `sails init --seed 1` as GGUF: the same numbers as ours in bf16, and its own rounding of them to 8 and 4 bits.
# PyTorch is timed by tools/gpu-measure/torch_peer.py where a Python with torch is found: --python, else python3 and the environments
# named in PEER_PYTHONS (separated by colons). Groups `layer` and `step` also need transformers and peft. A peer that cannot be had is
# named and skipped. The result is DIR/table.md: medians over the rounds, and how far the rounds are apart.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out='' rounds=3 groups=kernels,layer,sae,step,decode threads=0 python='' sails=$root/sails
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
  case $1 in
    --out) out=$2 ;;
    --rounds) rounds=$2 ;;
    --groups) groups=$2 ;;
    --threads) threads=$2 ;;
    --python) python=$2 ;;
    --sails) sails=$2 ;;
    *) echo "run.sh: '$1' is unknown; expected --out, --rounds, --groups, --threads, --python or --sails" >&2; exit 2 ;;
  esac
  shift 2
done
[ -n "$out" ] || { echo "run.sh: --out DIR is missing: where the table goes" >&2; exit 2; }
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: --rounds is '$rounds'; expected 1 or more" >&2; exit 2; }
[[ $threads =~ ^[0-9]+$ ]] || { echo "run.sh: --threads is '$threads'; expected 0 (all) or more" >&2; exit 2; }
for group in ${groups//,/ }; do
  [[ $group =~ ^(kernels|layer|sae|step|decode)$ ]] ||
    { echo "run.sh: --groups names '$group'; expected kernels, layer, sae, step or decode" >&2; exit 2; }
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -f "$out"/ours-*.md "$out"/torch-*.tsv "$out"/llama.cpp-*.tsv "$out/peers.txt"

peer() { echo "$*" | tee -a "$out/peers.txt" >&2; }

# The first Python that has torch.
find_python() {
  local candidate
  for candidate in "$python" python3 python ${PEER_PYTHONS//:/ }; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null && "$candidate" -c 'import torch' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}
PEER_PYTHONS=${PEER_PYTHONS:-}
torch=$(find_python)
[ -n "$torch" ] && peer "torch: $("$torch" -c 'import torch; print(torch.__version__)') of $(command -v "$torch")" ||
  peer "torch: SKIPPED: no Python with torch was found (--python PYTHON names one)"
if [ -n "$torch" ] && ! "$torch" -c 'import transformers, peft' 2>/dev/null; then
  peer "transformers and peft: SKIPPED: that Python has not both of them; layer and step stand without a peer"
  layers=''
else
  layers=yes
fi

# Fetches llama.cpp and writes the files that it reads; fails with a sentence in $out/peers.txt.
prepare_llama() {
  command -v node >/dev/null && command -v npm >/dev/null ||
    { peer "llama.cpp: SKIPPED: node and npm bring it, and one of them is missing"; return 1; }
  [ -d "$out/node/node_modules/node-llama-cpp" ] ||
    npm install --prefix "$out/node" --ignore-scripts --no-audit --no-fund node-llama-cpp >"$out/npm.log" 2>&1 ||
    { peer "llama.cpp: SKIPPED: npm could not install node-llama-cpp: $(tail -n 1 "$out/npm.log")"; return 1; }
  [ -d "$out/model" ] || "$sails" init --shape "$peers/2b-2-layers/config.json" --seed 1 --out "$out/model" >"$out/init.log" 2>&1 ||
    { tail -n 3 "$out/init.log" >&2; exit 1; }
  local type version
  for type in "${llama_types[@]}"; do
    [ -f "$out/$type.gguf" ] || node "$peers/gguf.mjs" "$out/model" "$out/$type.gguf" "$type" || exit 1
  done
  version=$(node -p "require('$out/node/node_modules/node-llama-cpp/package.json').version")
  peer "llama.cpp: node-llama-cpp $version, its prebuilt libraries"
}
peers=$root/jmh/peers
llama_types=(bf16 f16 q8_0 q4_0)
llama=''
if [[ ,$groups, == *,decode,* ]] && prepare_llama; then llama=yes; fi

# One process a type and number of threads: a row of ours by the name of its weights. Its threads wait by spinning, and on a machine of few
# processors one of them alone can be faster than all.
time_llama() {
  local type suffix count
  for type in "${llama_types[@]}"; do
    case $type in q8_0) suffix=', int8' ;; q4_0) suffix=', int4' ;; *) suffix='' ;; esac
    for count in $(printf '%s\n' 1 "$processors" | sort -nu); do
      NODE_PATH=$out/node/node_modules node "$peers/llama_peer.mjs" "$out/$type.gguf" "$type, threads $count" "$count" 256 "$1" \
        "2B, 2 layers$suffix" >"$out/llama.log" 2>&1 || { tail -n 3 "$out/llama.log" >&2; exit 1; }
    done
  done
}
processors=$threads
[ "$threads" != 0 ] || processors=$(nproc)
peer "Jlama: SKIPPED: it times whole generations of published checkpoints alone, which this script does not fetch"

for round in $(seq "$rounds"); do
  for group in ${groups//,/ }; do
    echo "== round $round of $rounds, $group" >&2
    "$sails" bench "$group" --backend cpu --size cpu --threads "$threads" --out "$out/ours-$group-$round.md" \
      >"$out/ours.txt" 2>"$out/ours.log" || { tail -n 3 "$out/ours.log" >&2; exit 1; }
    if [ "$group" = decode ]; then
      [ -z "$llama" ] || time_llama "$out/llama.cpp-decode-$round.tsv"
      continue
    fi
    [ -n "$torch" ] || continue
    [[ -n $layers || ! $group =~ ^(layer|step)$ ]] || continue
    CPU_SIZE=1 THREADS=$threads "$torch" "$root/tools/gpu-measure/torch_peer.py" "$group" "$out/torch-$group-$round.tsv" \
      >"$out/torch.txt" 2>"$out/torch.log" || { tail -n 3 "$out/torch.log" >&2; exit 1; }
  done
done

{
  echo "# sails4j beside its peers on a CPU"
  echo
  grep -m1 'model name' /proc/cpuinfo | sed 's/^model name[^:]*: /- CPU: /' || true
  echo "- $(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg) at the end, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  cat "$out"/ours-*.md | grep -E '^- (device|size)' | sort -u || true
  sed 's/^/- /' "$out/peers.txt"
  echo "- medians of $rounds rounds, by turns; +- is half of what lies between the fastest and the slowest round, of the median"
  echo
  shopt -s nullglob
  awk -f "$peers/table.awk" "$out"/ours-*.md "$out"/torch-*.tsv "$out"/llama.cpp-*.tsv
} >"$out/table.md"
cat "$out/table.md"

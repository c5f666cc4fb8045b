#!/usr/bin/env bash
# What ptxas gives each kernel: registers, shared memory, spills and stack, as one Markdown table. Needs nvcc, no GPU.
#
#   tools/kernel-resources.sh                          for sm_80 and sm_90a
#   tools/kernel-resources.sh sm_86 sm_120             for these
#   tools/kernel-resources.sh --update docs/kernel-resources.md rewrites the table between the file's resources:begin and resources:end
#
# What the code is made of, widths of loads and stores among it, tools/check-machine-code.sh checks.
#
# Exits with 1 if a kernel of the model's shapes spills registers or ptxas runs warpgroup products one by one, with 2 if something is
# missing. JOBS=n limits how many files are compiled at once. Dynamic shared memory is asked of the code that chooses it, in a host program;
# ptxas does not know it.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "tools/kernel-resources.sh: $1" >&2
  exit 2
}

# Kernels that no shape of Gemma-2 or of its SAEs reaches: a spill there is shown and does not fail. Matched against "kernel, variant".
other_shapes='^attention_.*, not exact$'
# One kernel keeps 4 bytes in memory, stored before its loop and read once a round, so that its softmax runs while P V is under way
# (attention/forward_hopper.cuh); kernels/promises.txt holds it to that.
other_shapes+='|^attention_forward_warpgroup, width 256, capped$'

update=
if [ "${1:-}" = --update ]; then
  update=${2:-}
  [ -f "$update" ] || fail "--update needs a file that is there, found '$update'."
  grep -q '<!-- resources:begin -->' "$update" && grep -q '<!-- resources:end -->' "$update" ||
    fail "$update has no lines <!-- resources:begin --> and <!-- resources:end -->."
  update=$(realpath "$update")
  shift 2
fi
archs=("$@")
[ ${#archs[@]} -gt 0 ] || archs=(sm_80 sm_90a)
generate=()
for arch in "${archs[@]}"; do
  [[ $arch =~ ^sm_[0-9]+[af]?$ ]] || fail "'$arch' is no architecture, expected one like sm_80 or sm_90a."
  generate+=(-gencode "arch=compute_${arch#sm_},code=$arch")
done

command -v nvcc >/dev/null || fail "nvcc is not found: install the CUDA toolkit (12.8 or newer) or put its bin directory on PATH."
command -v c++filt >/dev/null || fail "c++filt is not found: install binutils."
cxx=${CXX:-$(command -v g++ || command -v c++)} || fail "a C++17 compiler is not found: install g++."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
includes=(-I kernels -I native -I native/include)

compile() {
  local name
  name=$(basename "$1" .cu)
  nvcc -std=c++17 -O3 "${@:2}" -Xptxas -v -fatbin -o "$work/$name.fatbin" "$1" >"$work/$name.log" 2>&1 ||
    { cat "$work/$name.log" >&2; return 1; }
}
export -f compile
export work
printf '%s\n' native/cuda/*.cu | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'compile "$@"' _ {} "${includes[@]}" "${generate[@]}" ||
  fail "nvcc ${archs[*]} failed, see above."

# "(C7520) Potential Performance Loss: wgmma.mma_async instructions are serialized due to ... in the function 'name'", once for each kernel.
cat "$work"/*.log | grep -i 'wgmma.*serialized' | c++filt | sort -u >"$work/serialized" || true

# name <tab> kinds and names of the template's parameters <tab> whether it uses dynamic shared memory; for each kernel in the sources.
awk '
  FNR == 1 { template = ""; head = ""; inside = 0 }
  /^ *\/\// { next }
  { sub(/ \/\/ .*/, "") }
  /^template </ { template = ""; reading = 1 }
  reading { template = template " " $0; if ($0 ~ />$/) reading = 0 }
  /__global__/ { inside = 1; head = "" }
  inside {
    head = head " " $0
    if ($0 ~ /\{$|;$/) {
      inside = 0
      gsub(/__launch_bounds__\([^)]*\)|__global__|void/, "", head)
      match(head, /[A-Za-z_0-9]+ *\(/)
      name = substr(head, RSTART, RLENGTH - 1)
      gsub(/ /, "", name)
      sub(/^ *template *</, "", template)
      sub(/> *$/, "", template)
      gsub(/  +/, " ", template)
      parameters[name] = template
      dynamic[name] += 0
      template = ""
    }
  }
  /SAILS_DYNAMIC_SHARED/ { dynamic[name] = 1 }
  /^}/ { template = "" }
  END { for (name in parameters) print name "\t" parameters[name] "\t" dynamic[name] }
' kernels/*/*.cuh native/cuda/*.cu >"$work/sources"

# arch, kernel, template arguments, registers, static shared, spill stores, spill loads, stack; one line for each kernel and architecture.
cat "$work"/*.log | c++filt | awk -v OFS='\t' '
  /Compiling entry function/ {
    match($0, /for .sm_[0-9]+[af]?.$/)
    arch = substr($0, RSTART + 5, RLENGTH - 6)
    symbol = $0
    sub(/^[^\047]*\047/, "", symbol)
    sub(/\047 for .*$/, "", symbol)
    name = symbol
    sub(/^void /, "", name)
    gsub(/sails::kernels::|\(anonymous namespace\)::/, "", name)
    at = match(name, /[<(]/)
    arguments = ""
    if (substr(name, at, 1) == "<") {
      depth = 0
      for (i = at; i <= length(name); i++) {
        c = substr(name, i, 1)
        depth += (c == "<") - (c == ">")
        if (depth == 0) break
      }
      arguments = substr(name, at + 1, i - at - 1)
    }
    name = substr(name, 1, at - 1)
  }
  /Function properties for/ { own = index($0, symbol) > 0 }
  /bytes spill stores/ && own { stack = $1; stores = $5; loads = $9 }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/)
    registers = substr($0, RSTART + 5, RLENGTH - 5)
    shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH - 11) : 0
    print arch, name, arguments, registers, shared, stores, loads, stack
  }
' | sort -u >"$work/kernels"
[ -s "$work/kernels" ] || fail "ptxas -v printed nothing that is understood."

# Dynamic shared memory, by the expressions that the launchers use.
{
  cat <<'CPP'
#include <cstdio>
#include "attention/backward.cuh"
#include "attention/forward.cuh"
#include "matmul/block_product.cuh"
#include "linear/glu_hopper.cuh"
#include "head/head_hopper.cuh"
#include "matmul/matmul_hopper.cuh"
#include "sae/find_hopper.cuh"
#include "matmul/skinny_product.cuh"
using namespace sails::kernels;
static AttentionShape shape(int width, bool exact, int64_t rows) {
  AttentionShape s = {};
  s.batch = s.n_heads = s.n_kv_heads = 1;
  s.n_queries = s.n_keys = rows;
  s.head_dim = exact ? width : width - 1;
  return s;
}
static long forward(int width, bool exact, int warps) {
  return choose_attention_forward(shape(width, exact, 1024), true, exact, warps == 8 ? 1 : 1024, false).shared_bytes;
}
static long decode(int width, bool exact) { return choose_attention_forward(shape(width, exact, 1), true, exact, 1, false).shared_bytes; }
static AttentionBackwardConfig backward(int width, bool exact) {
  return choose_attention_backward(shape(width, exact, 64), true, exact, false);
}
int main() {
CPP
  awk -F'\t' '
    NR == FNR { dynamic[$1] = $3; next }
    dynamic[$2] == 0 || seen[$2 "\t" $3]++ { next }
    {
      value = ""
      if ($2 == "warpgroup_products" && match($3, /^WarpgroupTile<[^>]*>/))
        value = substr($3, 1, RLENGTH) "::shared_bytes<" substr($3, RLENGTH + 3) ">()"
      else if (match($3, /^(TensorCore|Simt)Tile<[^>]*>/)) value = substr($3, RSTART, RLENGTH) "::kSharedBytes"
      else if ($2 == "skinny_products") value = "SkinnyTile<" $3 ">::kSharedBytes"
      else if ($2 == "attention_forward_warpgroup") value = "WarpgroupAttentionTile<" substr($3, 1, index($3, ",") - 1) ">::kSharedBytes"
      else if ($2 == "attention_forward_tensorcore") value = "forward(" $3 ")"
      else if ($2 == "attention_decode_tensorcore") value = "decode(" $3 ")"
      else if ($2 == "attention_backward_queries_tensorcore") value = "backward(" $3 ").queries.shared_bytes"
      else if ($2 == "attention_backward_keys_tensorcore") value = "backward(" $3 ").keys.shared_bytes"
      else if ($2 == "attention_backward_queries_warpgroup") { split($3, of, ","); value = "QueryStages<" of[1] ">::kSharedBytes" }
      else if ($2 == "attention_backward_keys_warpgroup") value = "KeyStages<" $3 ">::kSharedBytes"
      if (value == "") printf "  std::puts(\"%s\\t%s\\tby shape\");\n", $2, $3
      else printf "  std::printf(\"%s\\t%s\\t%%ld\\n\", static_cast<long>(%s));\n", $2, $3, value
    }
  ' "$work/sources" "$work/kernels"
  echo '}'
} >"$work/shared.cpp"
"$cxx" -std=c++17 -O1 -w -ffunction-sections -Wl,--gc-sections -DSAILS_EMULATOR -I native/emulator/include "${includes[@]}" \
  -o "$work/shared" "$work/shared.cpp" ||
  fail "the host program for dynamic shared memory does not compile, see above."
"$work/shared" >"$work/dynamic"

awk -F'\t' -v archs="${archs[*]}" -v other_shapes="$other_shapes" '
  # kTransposeX -> transpose_x
  function words(name) {
    sub(/^k/, "", name)
    while (match(name, /[a-z0-9][A-Z]/)) name = substr(name, 1, RSTART) "_" substr(name, RSTART + 1)
    return tolower(name)
  }
  # Splits at the commas outside of <>.
  function split_list(text, parts,   i, c, depth, n) {
    n = 0
    if (text == "") return 0
    parts[++n] = ""
    for (i = 1; i <= length(text); i++) {
      c = substr(text, i, 1)
      depth += (c == "<") - (c == ">")
      if (c == "," && depth == 0) { parts[++n] = ""; continue }
      parts[n] = parts[n] c
    }
    for (i = 1; i <= n; i++) gsub(/^ +| +$/, "", parts[i])
    return n
  }
  # TensorCoreTile<128, 128, 2, 4, 4, false, true> -> tensorcore 128x128 NT
  function short_type(type,   inner, n, p) {
    if (type !~ /^(TensorCore|Simt|Warpgroup)Tile</) return type
    inner = type
    sub(/^[^<]*</, "", inner)
    sub(/>$/, "", inner)
    n = split_list(inner, p)
    # consumers, columns, transposes, two b, blocks of a cluster
    if (type ~ /^Warpgroup/)
      return "warpgroup " 64 * p[1] "x" p[2] " " (p[3] == "true" ? "T" : "N") (p[4] == "true" ? "T" : "N") \
        (p[5] == "true" ? " two b" : "") (p[6] > 1 ? ", cluster of " p[6] : "")
    return (type ~ /^Simt/ ? "simt " : "tensorcore ") p[1] "x" p[2] " " (p[n - 1] == "true" ? "T" : "N") (p[n] == "true" ? "T" : "N")
  }
  function variant(kernel, arguments,   a, p, na, np, i, name, kind, text, one) {
    na = split_list(arguments, a)
    np = split_list(parameters[kernel], p)
    text = ""
    for (i = 1; i <= na; i++) {
      name = kind = i <= np ? p[i] : ""
      sub(/ *=.*/, "", name)
      sub(/.* /, "", name)
      if (kind ~ /^bool/) one = (a[i] == "true" ? "" : "not ") words(name)
      else if (kind ~ /^int/) one = words(name) " " a[i]
      else one = short_type(a[i])
      text = text (text == "" ? "" : ", ") one
    }
    return text
  }
  FILENAME ~ /sources$/ { parameters[$1] = $2; next }
  FILENAME ~ /dynamic$/ { dynamic[$1 "\t" $2] = $3; next }
  {
    key = $2 "\t" $3
    if (!(key in line)) { line[key] = 1; keys[++n] = key }
    cell[key, $1] = $4 " | " $6 "/" $7 " | " $8
    shared[key] = shared[key] == "" || shared[key] == $5 ? $5 : shared[key] " or " $5
    if ($6 + $7 > 0) spilled[key] = spilled[key] " " $1
  }
  END {
    count = split(archs, arch, " ")
    head = "| kernel | variant | static shared | dynamic shared |"
    rule = "|---|---|--:|--:|"
    for (i = 1; i <= count; i++) {
      head = head " " arch[i] ": registers | spill st/ld | stack |"
      rule = rule "--:|--:|--:|"
    }
    print head
    print rule
    for (k = 1; k <= n; k++) {
      split(keys[k], part, "\t")
      text = variant(part[1], part[2])
      row = "| `" part[1] "` | " text " | " shared[keys[k]] " | " (keys[k] in dynamic ? dynamic[keys[k]] : 0) " |"
      for (i = 1; i <= count; i++) row = row " " (((keys[k], arch[i]) in cell) ? cell[keys[k], arch[i]] : "  |  | ") " |"
      print row
      if (keys[k] in spilled && (part[1] ", " text) !~ other_shapes)
        print part[1] " (" text ") spills on" spilled[keys[k]] >"/dev/stderr"
    }
  }
' "$work/sources" "$work/dynamic" <(sort -t$'\t' -k2,2 -k3,3V "$work/kernels") >"$work/table" 2>"$work/spills"

if [ -n "$update" ]; then
  awk -v table="$work/table" '
    /<!-- resources:end -->/ { while ((getline line <table) > 0) print line; print ""; skipping = 0 }
    !skipping { print }
    /<!-- resources:begin -->/ { print ""; skipping = 1 }
  ' "$update" >"$work/updated"
  cat "$work/updated" >"$update"
else
  cat "$work/table"
fi
if [ -s "$work/spills" ] || [ -s "$work/serialized" ]; then
  cat "$work/spills" "$work/serialized" | sed 's/^/tools\/kernel-resources.sh: /' >&2
  exit 1
fi

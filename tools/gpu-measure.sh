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
# bench-layer, bench-step,
# bench-decode, bench-sae, single-kernels, single-sae (without clusters of blocks), torch-kernels, torch-sae, torch-layer, torch-step,
# table. Each
# leaves NAME.txt (its output) and NAME.log (messages); summary.md has the ratios. Exits with 1 if a part failed, 2 if the options are
# wrong. What is not there (torch, compute-sanitizer) is said and is no failure.
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
  if [ -z "$dry_run" ] && command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=compute_cap --format=csv,noheader | grep -q '^9\.0'; then
    # Everything else would measure the wrong kernels.
    "$sails" selftest "${backend[@]}" --operations convert | grep 'wgmma' || { echo "this library has no code for sm_90a: no wgmma on a card of 9.0"; return 1; }
  fi
  date -u '+date: %Y-%m-%dT%H:%M:%SZ'
  "$sails" --version
  echo "SAILS_CUBLASLT: ${SAILS_CUBLASLT:-not set}"
  uname -srm
  grep -m1 'model name' /proc/cpuinfo || true
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.memory,clocks.sm,temperature.gpu,persistence_mode --format=csv
    nvidia-smi
  else
    echo "nvidia-smi: not found"
  fi
}

# The conformance suite with one choice of kernels. Chosen for four multiprocessors, its small shapes take the ways of large ones: several
# tiles a block, pairs
# of blocks, rings that go round; as in the emulator, which has four.
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
  "$sanitizer" --tool "$1" --target-processes all --error-exitcode 9 --print-limit 20 --report-api-errors no "$sails" selftest "${backend[@]}" \
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
  DRY_RUN=$dry_run MODELS=$models "$python" -c "$(peer_program)" "$1" "$out/torch-$1.tsv"
}

peer_program() {
  cat <<'PYTHON'
import math, os, statistics, sys, time
import torch
import torch.nn.functional as F

DRY = bool(os.environ.get("DRY_RUN"))
DEVICE = "cpu" if DRY else "cuda"
BF16 = torch.bfloat16
RANK = 16
ACTIVE = 80
TOKENS, LENGTHS, STEP_LENGTHS, SAE_WIDTHS = (32, [16, 32], [32], [512]) if DRY else (4096, [1024, 4096], [2048, 4096], [16384, 65536])
SHAPES = {
    "2b": dict(name="2B", d=2304, layers=26, heads=8, kv=4, head_dim=256, ff=9216, vocab=256000, window=4096, scalar=256),
    "9b": dict(name="9B", d=3584, layers=42, heads=16, kv=8, head_dim=256, ff=14336, vocab=256000, window=4096, scalar=256),
}
TINY = dict(name="tiny", d=64, layers=2, heads=4, kv=2, head_dim=16, ff=128, vocab=512, window=16, scalar=16)
MODELS = [TINY] if DRY else [SHAPES[m] for m in os.environ["MODELS"].split(",")]
OUT = open(sys.argv[2], "w")


def report(operation, shape, variant, seconds):
    text = f"{operation}\t{shape}\t{variant}\t{seconds:.9g}"
    print(text, file=OUT, flush=True)
    print(text, flush=True)


def failed(operation, shape, variant, error):
    sentence = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    print(f"{operation}, {shape}, {variant}: {type(error).__name__}: {sentence}", file=sys.stderr, flush=True)
    if DEVICE == "cuda":
        torch.cuda.empty_cache()


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def queue(calls, times):
    wait()
    start = time.perf_counter()
    for i in range(times):
        calls[i % len(calls)]()
    wait()
    return time.perf_counter() - start


def seconds(calls):
    """Of one call: the median of several queues between two waits; the calls are the same on buffers of their own."""
    queue(calls, 2 * len(calls))
    target, repeats, most = (0.0005, 3, 4) if DRY else (0.03, 5, 4096)
    once = queue(calls, len(calls)) / len(calls)
    times = max(len(calls), min(most, math.ceil(target / once)))
    return statistics.median(queue(calls, times) / times for _ in range(repeats))


def timed(operation, shape, variant, make):
    """make gives a call and the bytes it moves; as many copies as no cache holds."""
    try:
        call, size = make()
        calls = [call] + [make()[0] for _ in range(min(15, int((1 << 16 if DRY else 256 << 20) // max(1, size))))]
        found = seconds(calls)
        report(operation, shape, variant, found)
        return found
    except Exception as error:
        failed(operation, shape, variant, error)
        return math.nan


def random(*shape, dtype=BF16, grad=False):
    return torch.randn(*shape, device=DEVICE, dtype=torch.float32).to(dtype).requires_grad_(grad)


def matmul(layer, m, n, k, layout):
    def make():
        a = random(k, m).t() if layout == "TN" else random(m, k)
        b = random(n, k).t() if layout == "NT" else random(k, n)
        c = torch.empty(m, n, device=DEVICE, dtype=BF16)
        return (lambda: torch.matmul(a, b, out=c)), 2 * (m * k + k * n + m * n)
    return timed("matmul", f"{layer}, {m} x {n} x {k} {layout}", "matmul", make)


def attention(layer, model, head_dim, length, window):
    heads, kv = model["heads"] * model["head_dim"] // head_dim, model["kv"] * model["head_dim"] // head_dim
    scale, cap = head_dim ** -0.5, 50.0
    i = torch.arange(length, device=DEVICE)
    visible = (i[:, None] >= i[None, :]) & ((i[:, None] - i[None, :] < window) if window else True)

    def eager(q, k, v):
        scores = q @ k.repeat_interleave(heads // kv, 1).transpose(2, 3) * scale
        scores = (torch.tanh(scores / cap) * cap).masked_fill(~visible, float("-inf"))
        return torch.softmax(scores, -1, dtype=torch.float32).to(q.dtype) @ v.repeat_interleave(heads // kv, 1)

    def sdpa(q, k, v):
        mask = dict(attn_mask=visible) if window else dict(is_causal=True)
        return F.scaled_dot_product_attention(q, k, v, scale=scale, enable_gqa=True, **mask)

    variants = {"eager": eager, "sdpa, no soft-cap": sdpa}
    if DEVICE == "cuda":
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention
        block_mask = create_block_mask(lambda b, h, p, j: (p >= j) & ((p - j < window) if window else (p >= j)), None, None, length, length, DEVICE)
        compiled = torch.compile(flex_attention)
        variants["flex_attention"] = lambda q, k, v: compiled(q, k, v, score_mod=lambda s, b, h, p, j: torch.tanh(s / cap) * cap, block_mask=block_mask,
                                                              scale=scale, enable_gqa=True)
    size = 2 * length * head_dim * (2 * heads + 2 * kv)
    for name, function in variants.items():
        def forward():
            q, k, v = random(1, heads, length, head_dim), random(1, kv, length, head_dim), random(1, kv, length, head_dim)
            return (lambda: function(q, k, v)), size

        def backward():
            inputs = [random(1, n, length, head_dim, grad=True) for n in (heads, kv, kv)]
            y = function(*inputs)
            dy = random(*y.shape)
            return (lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)), 4 * size
        with torch.no_grad():
            timed("attention_forward", layer, name, forward)
        timed("attention_backward", layer, name, backward)


def kernels():
    def copy():
        n = (1 << 20 if DRY else 1 << 30) // 4
        a, b = torch.zeros(n, device=DEVICE), torch.zeros(n, device=DEVICE)
        return (lambda: b.copy_(a)), 8 * n
    bytes_per_s = 2 * (1 << 20 if DRY else 1 << 30) / timed("copy", "1 MiB" if DRY else "1 GiB", "copy_", copy)
    best = min(matmul("square", TOKENS, TOKENS, TOKENS, layout) for layout in ("NT", "NN", "TN"))
    print(f"# torch ceilings: copy {bytes_per_s * 1e-9:.1f} GB/s, matmul bf16 {2e-12 * TOKENS ** 3 / best:.3g} TFLOP/s", flush=True)
    for m in MODELS:
        for p, (o, i) in {"q_proj": (m["heads"] * m["head_dim"], m["d"]), "gate_proj": (m["ff"], m["d"]), "down_proj": (m["d"], m["ff"])}.items():
            matmul(f"{m['name']} {p} forward", TOKENS, o, i, "NT")
            matmul(f"{m['name']} {p} input gradient", TOKENS, i, o, "NN")
            matmul(f"{m['name']} {p} weight gradient", o, i, TOKENS, "TN")
        for head_dim in (m["head_dim"], m["head_dim"] // 2):
            for length in LENGTHS:
                attention(f"{m['name']} head_dim {head_dim}, global, {length}", m, head_dim, length, 0)
            attention(f"{m['name']} head_dim {head_dim}, window {LENGTHS[-1] // 4}, {LENGTHS[-1]}", m, head_dim, LENGTHS[-1], LENGTHS[-1] // 4)


def sae():
    d = MODELS[0]["d"]
    for width in SAE_WIDTHS:
        w_enc, w_dec = random(d, width) * d ** -0.5, random(width, d)
        b_enc, b_dec = random(width, dtype=torch.float32) * 0, random(d, dtype=torch.float32)
        # The threshold that about ACTIVE features of a token pass.
        active = min(ACTIVE, width // 4)
        threshold = torch.full((width,), math.sqrt(2) * torch.erfinv(torch.tensor(1 - 2 * active / width)).item(), device=DEVICE)

        def encode(x):
            z = x @ w_enc + b_enc
            return torch.where(z > threshold, z, 0).to(BF16)

        def decode(acts):
            return acts @ w_dec + b_dec

        def both(x):
            return decode(encode(x))
        for name, wrap in {"eager": lambda f: f, "torch.compile": torch.compile}.items():
            def making(function, given):
                wrapped = wrap(function)

                def make():
                    x = given()
                    return (lambda: wrapped(x)), 2 * d * width
                return make
            with torch.no_grad():
                rows = lambda: random(TOKENS, d)
                timed("sae_encode", f"{d} -> {width}, JumpReLU", name + ", dense", making(encode, rows))
                timed("sae_decode", f"{d} -> {width}, {active} active", name + ", dense", making(decode, lambda: encode(rows())))
                timed("sae_encode + sae_decode", f"{d} -> {width}", name + ", dense", making(both, rows))


def gemma(m, layers, vocab, attention_code, head):
    from peft import LoraConfig, get_peft_model
    from transformers import Gemma2Config, Gemma2ForCausalLM, Gemma2Model
    config = Gemma2Config(vocab_size=vocab, hidden_size=m["d"], num_hidden_layers=layers, num_attention_heads=m["heads"], num_key_value_heads=m["kv"],
                          head_dim=m["head_dim"], intermediate_size=m["ff"], sliding_window=m["window"], query_pre_attn_scalar=m["scalar"],
                          attn_implementation=attention_code, use_cache=False)
    default = torch.get_default_dtype()
    torch.set_default_dtype(BF16)
    try:
        with torch.device(DEVICE):
            model = (Gemma2ForCausalLM if head else Gemma2Model)(config)
    finally:
        torch.set_default_dtype(default)
    lora = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], lora_dropout=0.0)
    return get_peft_model(model, lora).train()


ATTENTIONS = {"eager": "transformers + PEFT, eager", "sdpa": "transformers + PEFT, sdpa, no soft-cap"}


def layer():
    length = LENGTHS[-1]
    batch = max(1, TOKENS // length)
    for m in MODELS:
        layers = min(4, m["layers"])
        shape = f"{m['name']}, {batch} x {length}, LoRA r {RANK}"
        for code, variant in ATTENTIONS.items():
            try:
                model = gemma(m, layers, 1024, code, head=False)
                ids = torch.randint(0, 1024, (batch, length), device=DEVICE)
                forward = seconds([lambda: model(input_ids=ids).last_hidden_state])
                dy = random(batch, length, m["d"])

                def step():
                    model(input_ids=ids).last_hidden_state.backward(dy)
                both = seconds([step])
                report("forward", shape, variant, forward / layers)
                report("forward + backward", shape, variant, both / layers)
                del model
            except Exception as error:
                failed("layer", shape, variant, error)


def training_step():
    for m in MODELS:
        for length in STEP_LENGTHS:
            batch = max(1, TOKENS // length)
            for checkpointing in (False, True):
                shape = f"{m['name']}, {m['layers']} layers, {batch} x {length}, LoRA r {RANK}" + (", recomputation full" if checkpointing else "")
                for code, variant in ATTENTIONS.items():
                    try:
                        one_step(m, shape, variant, code, batch, length, checkpointing)
                    except Exception as error:
                        failed("step", shape, variant, error)


def one_step(m, shape, variant, code, batch, length, checkpointing):
    model = gemma(m, m["layers"], m["vocab"], code, head=True)
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=dict(use_reentrant=False))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, fused=DEVICE == "cuda")
    ids = torch.randint(0, m["vocab"], (batch, length), device=DEVICE)

    def step():
        model(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    queue([step], 1)
    report("step", shape, variant, min(queue([step], 1) for _ in range(3)))
    if DEVICE == "cuda":
        print(f"{shape}, {variant}: peak {torch.cuda.max_memory_allocated() >> 20} MiB", flush=True)
        torch.cuda.reset_peak_memory_stats()


name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
print(f"# torch {torch.__version__}, CUDA {torch.version.cuda}, {name}", flush=True)
dict(kernels=kernels, sae=sae, layer=layer, step=training_step)[sys.argv[1]]()
PYTHON
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
  awk -F '\t' '{ if (!($1 in line)) order[++n] = $1; line[$1] = "| " $1 " | " $2 " | " $3 " |" } END { for (i = 1; i <= n; i++) print line[order[i]] }' "$out/parts.tsv"
  echo
  echo "Time of one call; \"of ceiling\" by the roofline of the copy and the product measured in the same run; \"faster\" is torch's time over ours."
  echo
  echo "| operation | shape | ours | of ceiling | torch | variant | faster |"
  echo "|---|---|--:|--:|--:|---|--:|"
  cat "$out"/torch-*.tsv 2>/dev/null >"$out/torch.tsv" || true
  cat "$out"/bench-*.md 2>/dev/null | awk -F '\t' -v peers="$out/torch.tsv" "$(join_program)"
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
  cat "$out"/single-*.md | awk -v pairs="$(cat "$out"/bench-*.md 2>/dev/null)" '
    function seconds(text,    t) { split(text, t, " "); return t[1] * (t[2] == "us" ? 1e-6 : t[2] == "ms" ? 1e-3 : 1) }
    BEGIN { n = split(pairs, lines, "\n"); for (i = 1; i <= n; i++) if (lines[i] ~ /^\| (kernels|sae) /) { split(lines[i], c, / *\| */); time[c[3], c[4]] = c[6] } }
    /^\| (kernels|sae) / {
      split($0, c, / *\| */)
      if (c[3] !~ /^(matmul|linear|head|sae_encode)/ || !((c[3], c[4]) in time) || seconds(time[c[3], c[4]]) == 0) next
      printf "| %s | %s | %s | %s | %.2f |\n", c[3], c[4], time[c[3], c[4]], c[6], seconds(c[6]) / seconds(time[c[3], c[4]])
    }'
}

join_program() {
  cat <<'AWK'
function seconds(text) {
  split(text, t, " ")
  return t[1] * (t[2] == "us" ? 1e-6 : t[2] == "ms" ? 1e-3 : 1)
}
function human(s) {
  return s < 1e-3 ? sprintf("%.3g us", s * 1e6) : s < 1 ? sprintf("%.3g ms", s * 1e3) : sprintf("%.3g s", s)
}
function row(operation, shape, ours, share,    key, n, i, variants) {
  key = operation SUBSEP shape
  if (!(key in found)) {
    printf "| %s | %s | %s | %s | | | |\n", operation, shape, human(ours), share
    return
  }
  n = split(found[key], variants, SUBSEP)
  for (i = 1; i <= n; i++)
    printf "| %s | %s | %s | %s | %s | %s | %.2f |\n", operation, shape, human(ours), share, human(time[key, variants[i]]), variants[i],
      time[key, variants[i]] / ours
}
BEGIN {
  while ((getline line < peers) > 0) {
    split(line, p, "\t")
    key = p[1] SUBSEP p[2]
    if (key in found) found[key] = found[key] SUBSEP p[3]
    else found[key] = p[3]
    time[key, p[3]] = p[4]
  }
}
/^\| (kernels|layer|step|decode|sae) / {
  split($0, c, / *\| */)
  ours = seconds(c[6])
  row(c[3], c[4], ours, c[9])
  # Encoding and decoding together, as the peers also do it.
  if (c[3] == "sae_encode" && c[4] ~ /, JumpReLU$/) encode[substr(c[4], 1, index(c[4], ",") - 1)] = ours
  if (c[3] == "sae_decode") {
    width = substr(c[4], 1, index(c[4], ",") - 1)
    if (width in encode) row("sae_encode + sae_decode", width, encode[width] + ours, "")
  }
}
AWK
}

# timeout runs programs, so a part is this script's function in a shell of its own.
as_program() {
  export -f facts selftest sanitizer bench_group single_group peer peer_program table clusters_table join_program
  export sails out python dry_run models sanitizer
  local name=$1
  shift
  part "$name" bash -c "$(declare -p backend bench parity); set -euo pipefail; \"\$@\"" bash "$@"
}

# cuBLASLt for the ceiling: the one that PyTorch brings, where the system has none.
find_cublaslt() {
  "$python" -c 'import glob, nvidia; print(next(f for root in nvidia.__path__ for f in sorted(glob.glob(root + "/*/lib/libcublasLt.so.1[0-9]"))))' 2>/dev/null || true
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

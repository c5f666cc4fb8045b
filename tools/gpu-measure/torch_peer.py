"""PyTorch at sails4j's shapes and under its names, for tools/gpu-measure.sh: torch_peer.py GROUP FILE.

Writes lines of operation, shape, variant and seconds. With CPU_SIZE=1 at those of `sails bench --size cpu`, for jmh/peers/run.sh.
"""
import math, os, statistics, sys, time
import torch
import torch.nn.functional as F

DRY = bool(os.environ.get("DRY_RUN"))
CPU = bool(os.environ.get("CPU_SIZE"))
DEVICE = "cpu" if DRY or CPU else "cuda"
BF16 = torch.bfloat16
RANK = 16
ACTIVE = 80
TOKENS, LENGTHS, STEP_LENGTHS, SAE_WIDTHS = (
    (32, [16, 32], [32], [512]) if DRY else (256, [256], [256], [16384]) if CPU else (4096, [1024, 4096], [2048, 4096], [16384, 65536]))
ROTATE = 1 << 16 if DRY else 64 << 20 if CPU else 256 << 20
COPY = 1 << 20 if DRY else 256 << 20 if CPU else 1 << 30
SHAPES = {
    "2b": dict(name="2B", d=2304, layers=26, heads=8, kv=4, head_dim=256, ff=9216, vocab=256000, window=4096, scalar=256),
    "9b": dict(name="9B", d=3584, layers=42, heads=16, kv=8, head_dim=256, ff=14336, vocab=256000, window=4096, scalar=256),
}
TINY = dict(name="tiny", d=64, layers=2, heads=4, kv=2, head_dim=16, ff=128, vocab=512, window=16, scalar=16)
MODELS = ([TINY] if DRY else [SHAPES["2b"] | dict(layers=2, vocab=16384)] if CPU
          else [SHAPES[m] for m in os.environ["MODELS"].split(",")])
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
    target, repeats, most = (0.0005, 3, 4) if DRY else (0.02, 5, 4096) if CPU else (0.03, 5, 4096)
    once = queue(calls, len(calls)) / len(calls)
    times = max(len(calls), min(most, math.ceil(target / once)))
    return statistics.median(queue(calls, times) / times for _ in range(repeats))


def timed(operation, shape, variant, make):
    """make gives a call and the bytes it moves; as many copies as no cache holds."""
    try:
        call, size = make()
        calls = [call] + [make()[0] for _ in range(min(15, int(ROTATE // max(1, size))))]
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
        block_mask = create_block_mask(
            lambda b, h, p, j: (p >= j) & ((p - j < window) if window else (p >= j)), None, None, length, length, DEVICE)
        compiled = torch.compile(flex_attention)
        variants["flex_attention"] = lambda q, k, v: compiled(
            q, k, v, score_mod=lambda s, b, h, p, j: torch.tanh(s / cap) * cap, block_mask=block_mask,
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
        n = COPY // 4
        a, b = torch.zeros(n, device=DEVICE), torch.zeros(n, device=DEVICE)
        return (lambda: b.copy_(a)), 8 * n
    bytes_per_s = 2 * COPY / timed("copy", f"{COPY >> 20} MiB", "copy_", copy)
    best = min(matmul("square", TOKENS, TOKENS, TOKENS, layout) for layout in ("NT", "NN", "TN"))
    print(f"# torch ceilings: copy {bytes_per_s * 1e-9:.1f} GB/s, matmul bf16 {2e-12 * TOKENS ** 3 / best:.3g} TFLOP/s", flush=True)
    for m in MODELS:
        maps = {"q_proj": (m["heads"] * m["head_dim"], m["d"]), "gate_proj": (m["ff"], m["d"]), "down_proj": (m["d"], m["ff"])}
        for p, (o, i) in maps.items():
            matmul(f"{m['name']} {p} forward", TOKENS, o, i, "NT")
            matmul(f"{m['name']} {p} input gradient", TOKENS, i, o, "NN")
            matmul(f"{m['name']} {p} weight gradient", o, i, TOKENS, "TN")
        for head_dim in (m["head_dim"], m["head_dim"] // 2):
            for length in LENGTHS:
                attention(f"{m['name']} head_dim {head_dim}, global, {length}", m, head_dim, length, 0)
            window = LENGTHS[-1] // 4
            attention(f"{m['name']} head_dim {head_dim}, window {window}, {LENGTHS[-1]}", m, head_dim, LENGTHS[-1], window)


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
    config = Gemma2Config(vocab_size=vocab, hidden_size=m["d"], num_hidden_layers=layers, num_attention_heads=m["heads"],
                          num_key_value_heads=m["kv"],
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
                shape = f"{m['name']}, {m['layers']} layers, {batch} x {length}, LoRA r {RANK}"
                shape += ", recomputation full" if checkpointing else ""
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
if os.environ.get("THREADS", "0") != "0":
    torch.set_num_threads(int(os.environ["THREADS"]))
print(f"# torch {torch.__version__}, CUDA {torch.version.cuda}, {name}", flush=True)
dict(kernels=kernels, sae=sae, layer=layer, step=training_step)[sys.argv[1]]()

// A Gemma-2 checkpoint of ours as GGUF, so that llama.cpp runs the same weights: gguf.mjs CHECKPOINT FILE f16|bf16|q8_0|q4_0
//
// q4_0 leaves the embedding, which is the head too, at 8 bits, as llama.cpp's own tool leaves it wider. Norms are f32 and hold 1 + weight.
// The tokenizer is a placeholder: three control tokens, the bytes, and tokens whose text is their number.
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

const [checkpoint, file, kind] = process.argv.slice(2);
// Of ggml_type, and of the file (llama_ftype).
const TYPES = { f32: [0, 0], f16: [1, 1], bf16: [30, 32], q8_0: [8, 7], q4_0: [2, 2] };
if (!(kind in TYPES) || kind === "f32") {
  console.error(`gguf.mjs: '${kind}' is unknown; expected f16, bf16, q8_0 or q4_0`);
  process.exit(2);
}
const ALIGNMENT = 32;
const GROUP = 32;
const CONTROL = 3, BYTE = 6, NORMAL = 1;
const BYTES_FROM = 3;
const config = JSON.parse(readFileSync(`${checkpoint}/config.json`, "utf8"));
if (config.model_type !== "gemma2") {
  console.error(`gguf.mjs: ${checkpoint}/config.json has model_type '${config.model_type}'; only gemma2 is known here`);
  process.exit(2);
}

const names = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
};
const ofLayer = {
  "input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
  "post_feedforward_layernorm": "post_ffw_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
};
function nameOf(name) {
  const layer = /^model\.layers\.(\d+)\.(.*)\.weight$/.exec(name);
  const found = layer ? ofLayer[layer[2]] && `blk.${layer[1]}.${ofLayer[layer[2]]}.weight` : names[name];
  if (!found) throw new Error(`${checkpoint} has a tensor '${name}' that llama.cpp's gemma2 has not`);
  return found;
}

// ---- The checkpoint: one file of F32 or BF16 tensors.
const input = openSync(`${checkpoint}/model.safetensors`, "r");
function read(position, length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const count = readSync(input, bytes, at, Math.min(length - at, 1 << 30), position + at);
    if (count === 0) throw new Error(`${checkpoint}/model.safetensors is cut off`);
    at += count;
  }
  return bytes;
}
const headerLength = Number(read(0, 8).readBigUInt64LE());
const header = JSON.parse(read(8, headerLength).toString("utf8"));
function floats({ dtype, data_offsets: [from, to] }) {
  const bytes = read(8 + headerLength + from, to - from);
  if (dtype === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  if (dtype !== "BF16") throw new Error(`${checkpoint}/model.safetensors has a tensor of ${dtype}; expected F32 or BF16`);
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

// ---- Types. To nearest, ties to even; weights are small and normal enough that neither overflow nor f16's subnormals matter.
const word = new Uint32Array(1);
const real = new Float32Array(word.buffer);
function bf16(x) {
  real[0] = x;
  return (word[0] + 0x7fff + (word[0] >>> 16 & 1)) >>> 16;
}
function f16(x) {
  real[0] = x;
  const sign = word[0] >>> 16 & 0x8000, magnitude = word[0] & 0x7fffffff;
  if (magnitude < 0x38800000) return sign | Math.round(Math.abs(x) * 2 ** 24);
  return sign | (magnitude + 0xfff + (magnitude >>> 13 & 1) - 0x38000000) >>> 13;
}
function ofHalves(values, toHalf) {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = toHalf(values[i]);
  return Buffer.from(halves.buffer);
}
function q8_0(values) {
  const bytes = Buffer.alloc(values.length / GROUP * (2 + GROUP));
  for (let from = 0, at = 0; from < values.length; from += GROUP, at += 2 + GROUP) {
    let largest = 0;
    for (let i = 0; i < GROUP; i++) largest = Math.max(largest, Math.abs(values[from + i]));
    const scale = largest / 127;
    bytes.writeUInt16LE(f16(scale), at);
    for (let i = 0; i < GROUP; i++) bytes.writeInt8(scale === 0 ? 0 : Math.round(values[from + i] / scale), at + 2 + i);
  }
  return bytes;
}
function q4_0(values) {
  const bytes = Buffer.alloc(values.length / GROUP * (2 + GROUP / 2));
  const code = (x, scale) => scale === 0 ? 8 : Math.min(15, Math.trunc(x / scale + 8.5));
  for (let from = 0, at = 0; from < values.length; from += GROUP, at += 2 + GROUP / 2) {
    let largest = 0;
    for (let i = 0; i < GROUP; i++) if (Math.abs(values[from + i]) > Math.abs(largest)) largest = values[from + i];
    const scale = largest / -8;
    bytes.writeUInt16LE(f16(scale), at);
    for (let i = 0; i < GROUP / 2; i++) {
      bytes[at + 2 + i] = code(values[from + i], scale) | code(values[from + GROUP / 2 + i], scale) << 4;
    }
  }
  return bytes;
}
const encoders = { bf16: v => ofHalves(v, bf16), f16: v => ofHalves(v, f16), q8_0, q4_0 };
function typeOf(name, shape) {
  if (shape.length === 1) return "f32";
  return kind === "q4_0" && name === "token_embd.weight" ? "q8_0" : kind;
}
function encoded(values, type, isNorm) {
  return type === "f32" ? Buffer.from(Float32Array.from(values, x => isNorm ? 1 + x : x).buffer) : encoders[type](values);
}
const sizes = { f32: n => 4 * n, f16: n => 2 * n, bf16: n => 2 * n, q8_0: n => n / 32 * 34, q4_0: n => n / 32 * 18 };

// ---- GGUF, version 3.
const parts = [];
function number(bytes, write, value) {
  const part = Buffer.alloc(bytes);
  part[write](value);
  parts.push(part);
}
const u32 = v => number(4, "writeUInt32LE", v), i32 = v => number(4, "writeInt32LE", v), u64 = v => number(8, "writeBigUInt64LE", BigInt(v)),
  f32 = v => number(4, "writeFloatLE", v);
function string(text) {
  u64(Buffer.byteLength(text));
  parts.push(Buffer.from(text));
}
const VALUES = { u32: [4, u32], i32: [5, i32], f32: [6, f32], string: [8, string] };
function entry(key, type, value) {
  string(key);
  if (Array.isArray(value)) {
    u32(9);
    u32(VALUES[type][0]);
    u64(value.length);
    value.forEach(VALUES[type][1]);
  } else {
    u32(VALUES[type][0]);
    VALUES[type][1](value);
  }
}
const vocabulary = Array.from({ length: config.vocab_size }, (_, i) => i);
const isByte = i => i >= BYTES_FROM && i < BYTES_FROM + 256;
const metadata = [
  ["general.architecture", "string", "gemma2"],
  ["general.name", "string", "sails4j peer"],
  ["general.file_type", "u32", TYPES[kind][1]],
  ["gemma2.context_length", "u32", config.max_position_embeddings],
  ["gemma2.embedding_length", "u32", config.hidden_size],
  ["gemma2.block_count", "u32", config.num_hidden_layers],
  ["gemma2.feed_forward_length", "u32", config.intermediate_size],
  ["gemma2.attention.head_count", "u32", config.num_attention_heads],
  ["gemma2.attention.head_count_kv", "u32", config.num_key_value_heads],
  ["gemma2.attention.key_length", "u32", config.head_dim],
  ["gemma2.attention.value_length", "u32", config.head_dim],
  ["gemma2.attention.layer_norm_rms_epsilon", "f32", config.rms_norm_eps],
  ["gemma2.attention.sliding_window", "u32", config.sliding_window],
  ["gemma2.attn_logit_softcapping", "f32", config.attn_logit_softcapping],
  ["gemma2.final_logit_softcapping", "f32", config.final_logit_softcapping],
  ["gemma2.rope.freq_base", "f32", config.rope_theta ?? 10000],
  ["tokenizer.ggml.model", "string", "llama"],
  ["tokenizer.ggml.tokens", "string", vocabulary.map(i => isByte(i) ? `<0x${(i - BYTES_FROM).toString(16).toUpperCase().padStart(2, "0")}>` : `<${i}>`)],
  ["tokenizer.ggml.scores", "f32", vocabulary.map(() => 0)],
  ["tokenizer.ggml.token_type", "i32", vocabulary.map(i => i < BYTES_FROM ? CONTROL : isByte(i) ? BYTE : NORMAL)],
  ["tokenizer.ggml.bos_token_id", "u32", 2],
  ["tokenizer.ggml.eos_token_id", "u32", 1],
];
const tensors = Object.entries(header).filter(([name]) => name !== "__metadata__").map(([name, tensor]) => {
  const to = nameOf(name);
  const type = typeOf(to, tensor.shape);
  return { to, type, tensor, bytes: sizes[type](tensor.shape.reduce((a, b) => a * b, 1)), isNorm: tensor.shape.length === 1 };
});
const padded = n => Math.ceil(n / ALIGNMENT) * ALIGNMENT;
parts.push(Buffer.from("GGUF"));
u32(3);
u64(tensors.length);
u64(metadata.length);
metadata.forEach(([key, type, value]) => entry(key, type, value));
let offset = 0;
for (const { to, type, tensor, bytes } of tensors) {
  string(to);
  u32(tensor.shape.length);
  // The dimension that changes fastest comes first.
  [...tensor.shape].reverse().forEach(u64);
  u32(TYPES[type][0]);
  u64(offset);
  offset += padded(bytes);
}
const output = openSync(file, "w");
function write(bytes) {
  for (let at = 0; at < bytes.length;) at += writeSync(output, bytes, at, Math.min(bytes.length - at, 1 << 30));
}
const head = Buffer.concat(parts);
write(head);
write(Buffer.alloc(padded(head.length) - head.length));
for (const { to, type, tensor, bytes, isNorm } of tensors) {
  const data = encoded(floats(tensor), type, isNorm);
  if (data.length !== bytes) throw new Error(`${to}: ${data.length} bytes, expected ${bytes}`);
  write(data);
  write(Buffer.alloc(padded(bytes) - bytes));
}
closeSync(output);

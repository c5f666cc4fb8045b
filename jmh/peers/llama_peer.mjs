// llama.cpp at sails4j's decoding rows and under their names: llama_peer.mjs FILE.gguf VARIANT THREADS PROMPT OUT SHAPE
//
// SHAPE is what our rows are called by ("2B, 2 layers"); PROMPT tokens are read before decoding, of those that a row of ours reads.
// Writes lines of operation, shape, variant and seconds. NODE_PATH's node_modules hold node-llama-cpp. With TOKENS=N it prints the N tokens
// that greedy decoding chooses after 2, 3, 4 instead.
import { createRequire } from "node:module";
import { appendFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [file, variant, threads, prefill, out, shape] = process.argv.slice(2);
const require = createRequire(`${process.env.NODE_PATH}/none.js`);
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(require.resolve("node-llama-cpp")));

const BEFORE = 128, WARM_UP = 4, DECODED = 8, REPEATS = 7;
const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: Number(threads) });
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 512, batchSize: 512, threads: Number(threads) });
const sequence = context.getSequence();
const ids = n => Array.from({ length: n }, (_, i) => 300 + i * 7919 % 16000);

async function decode(prompt, count) {
  await sequence.clearHistory();
  const tokens = [], times = [process.hrtime.bigint()];
  for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    tokens.push(token);
    times.push(process.hrtime.bigint());
    if (tokens.length === count) break;
  }
  return { tokens, seconds: (from, to) => Number(times[to] - times[from]) * 1e-9 };
}
function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

if (process.env.TOKENS) {
  console.log((await decode([2, 3, 4], Number(process.env.TOKENS))).tokens.join(" "));
} else {
  const report = (operation, of, values) => appendFileSync(out, `${operation}\t${shape}${of}\t${variant}\t${median(values).toPrecision(9)}\n`);
  await decode(ids(BEFORE), WARM_UP);
  const reads = [], steps = [];
  for (let i = 0; i < REPEATS; i++) {
    reads.push((await decode(ids(Number(prefill)), 1)).seconds(0, 1));
    steps.push((await decode(ids(BEFORE), WARM_UP + DECODED)).seconds(WARM_UP, WARM_UP + DECODED) / DECODED);
  }
  report("prefill", `, ${prefill} tokens`, reads);
  report("step", `, batch 1, after ${BEFORE} tokens`, steps);
}
await llama.dispose();

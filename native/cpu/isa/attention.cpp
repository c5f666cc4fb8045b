// Attention forward: flash-style blocks in f32 (arXiv:2205.14135, with the score soft-cap of arXiv:2408.00118 section 2), and
// a path for few queries over a long cache that reads keys and values once, where they lie.
#include "cpu/isa/attention.h"
#include "cpu/isa/parallel.h"

namespace sails::SAILS_ISA {

// backward, in attention_backward.cpp
int64_t attention_backward_workspace_bytes(const AttentionCall &call);
void attention_backward(void *dq, void *dk, void *dv, const void *dout, const void *out, const float *lse, const AttentionCall &call,
                        void *workspace);

namespace {

constexpr int64_t kFewQueries = 4;  // up to here the cache is read in place
constexpr int64_t kKeyChunk = 512;  // keys of one partial result on that path
const float kMinusInfinity = -__builtin_inff();

bool few_queries(const AttentionCall &c) { return c.n_queries <= kFewQueries; }

int64_t key_chunks(const AttentionCall &c) { return (c.n_keys + kKeyChunk - 1) / kKeyChunk; }

// Per thread: q [kBlock, D], scores [kBlock, kBlock], out [kBlock, D].
int64_t thread_floats(const AttentionCall &c) { return kBlock * (2 * padded_dim(c) + kBlock); }

int64_t forward_workspace_bytes(const AttentionCall &c) {
  if (few_queries(c))
    return 4 * (c.batch * c.n_queries * c.n_heads * key_chunks(c) * (c.head_dim + 2) +
                threads_of(*c.pool) * (kKeyChunk + 2 * padded_dim(c)));
  const int64_t packed = c.batch * c.n_kv_heads * n_blocks(c.n_keys) * kBlock * (c.head_dim + padded_dim(c));
  return 4 * (packed + threads_of(*c.pool) * thread_floats(c));
}

struct Softmax {
  float max[kBlock];
  double sum[kBlock];
};

// Turns row i of the scores [.., kBlock] into unnormalised probabilities, updates max and sum, and returns the factor for what
// was accumulated before.
float softmax_row(float *scores, const AttentionCall &c, const int32_t *k_segment, int64_t key_begin, int64_t n_keys, int64_t position,
                  int32_t segment, float &max, double &sum) {
  const vi lanes = iota();
  const int32_t last = static_cast<int32_t>(min_of(position - key_begin, kBlock));
  const int32_t first = static_cast<int32_t>(c.window == 0 ? 0 : max_of(min_of(position - c.window + 1 - key_begin, kBlock), 0));
  const float inverse_cap = c.softcap == 0.0f ? 0.0f : 1.0f / c.softcap;
  float block_max = kMinusInfinity;
  for (int64_t j = 0; j < kBlock; j += kWidth) {
    vf s = load(scores + j);
    if (c.softcap != 0.0f) s = vtanh(s * inverse_cap) * c.softcap;
    const vi index = lanes + static_cast<int32_t>(j);
    vi segments = {};
    const int64_t n = min_of(kWidth, n_keys - j);
    if (n > 0) std::memcpy(&segments, k_segment + key_begin + j, static_cast<size_t>(n) * sizeof(int32_t));
    const vi visible = (vi)(index <= last) & (vi)(index >= first) & (vi)(segments == segment);
    s = select(visible, s, splat(kMinusInfinity));
    store(scores + j, s);
    const float m = hmax(s);
    if (m > block_max || m != m) block_max = m;
  }
  if (block_max == kMinusInfinity) {
    for (int64_t j = 0; j < kBlock; j += kWidth) store(scores + j, (vf){});
    return 1.0f;
  }
  const float new_max = block_max > max || block_max != block_max ? block_max : max;
  vf block_sum = {};
  for (int64_t j = 0; j < kBlock; j += kWidth) {
    const vf p = vexp(load(scores + j) - new_max);
    store(scores + j, p);
    block_sum += p;
  }
  const float factor = max == kMinusInfinity ? 0.0f : std::exp(max - new_max);
  sum = sum * factor + hsum(block_sum);
  max = new_max;
  return factor;
}

template <typename T>
void forward_block(T *out, float *lse, const AttentionCall &c, const float *keys_t, const float *values, float *scratch, int64_t b,
                   int64_t head, int64_t query_block) {
  const int64_t padded = padded_dim(c);
  const int64_t begin = query_block * kBlock;
  const int64_t n = min_of(kBlock, c.n_queries - begin);
  float *q = scratch, *scores = q + kBlock * padded, *acc = scores + kBlock * kBlock;
  const T *q_rows = head_rows<T>(c.q, b, c.n_queries * c.n_heads * c.head_dim, begin, c.n_heads * c.head_dim, head, c.head_dim);
  pack_block<T>(q, nullptr, q_rows, n, c.head_dim, padded, c.n_heads * c.head_dim, c.scale);
  std::memset(acc, 0, static_cast<size_t>(kBlock * padded) * sizeof(float));
  Softmax state;
  for (int64_t i = 0; i < n; i++) {
    state.max[i] = kMinusInfinity;
    state.sum[i] = 0;
  }
  const int64_t first = c.query_offset + begin, last = first + n - 1;
  const int64_t kv_head = head / (c.n_heads / c.n_kv_heads);
  const int64_t panel = (b * c.n_kv_heads + kv_head) * n_blocks(c.n_keys);
  for (int64_t kb = 0; kb < n_blocks(c.n_keys); kb++) {
    if (!block_visible(c, kb, first, last)) continue;
    gemm(scores, kBlock, q, padded, keys_t + (panel + kb) * kBlock * c.head_dim, kBlock, n, kBlock, c.head_dim, false);
    for (int64_t i = 0; i < n; i++) {
      const int32_t segment = c.q_segment[b * c.n_queries + begin + i];
      const float factor =
          softmax_row(scores + i * kBlock, c, c.k_segment + b * c.n_keys, kb * kBlock, min_of(kBlock, c.n_keys - kb * kBlock), first + i,
                      segment == 0 ? -1 : segment, state.max[i], state.sum[i]);
      if (factor != 1.0f)
        for (int64_t j = 0; j < padded; j += kWidth) store(acc + i * padded + j, load(acc + i * padded + j) * factor);
    }
    gemm(acc, padded, scores, kBlock, values + (panel + kb) * kBlock * padded, padded, n, padded, min_of(kBlock, c.n_keys - kb * kBlock),
         true);
  }
  for (int64_t i = 0; i < n; i++) {
    T *row = out + ((b * c.n_queries + begin + i) * c.n_heads + head) * c.head_dim;
    const float inverse = state.sum[i] == 0 ? 0.0f : static_cast<float>(1.0 / state.sum[i]);
    int64_t j = 0;
    for (; j + kWidth <= c.head_dim; j += kWidth) store(row + j, load(acc + i * padded + j) * inverse);
    if (j < c.head_dim) store_tail(row + j, load(acc + i * padded + j) * inverse, c.head_dim - j);
    if (lse != nullptr)
      lse[(b * c.n_heads + head) * c.n_queries + begin + i] =
          state.sum[i] == 0 ? kMinusInfinity : static_cast<float>(state.max[i] + std::log(state.sum[i]));
  }
}

template <typename T>
void forward_blocks(T *out, float *lse, const AttentionCall &c, float *workspace) {
  const int64_t padded = padded_dim(c), key_blocks = n_blocks(c.n_keys), query_blocks = n_blocks(c.n_queries);
  const int64_t panels = c.batch * c.n_kv_heads * key_blocks;
  float *keys_t = workspace;
  float *values = keys_t + panels * kBlock * c.head_dim;
  float *scratch = values + panels * kBlock * padded;
#pragma omp parallel num_threads(threads_of(*c.pool))
  {
#pragma omp for schedule(static)
    for (int64_t p = 0; p < panels; p++) {
      const int64_t kb = p % key_blocks, kv_head = p / key_blocks % c.n_kv_heads, b = p / key_blocks / c.n_kv_heads;
      const int64_t n = min_of(kBlock, c.n_keys - kb * kBlock), stride = c.n_kv_heads * c.head_dim;
      pack_block<T>(nullptr, keys_t + p * kBlock * c.head_dim,
                    head_rows<T>(c.k, b, c.kv_batch_stride, kb * kBlock, stride, kv_head, c.head_dim), n, c.head_dim, padded, stride, 1.0f);
      pack_block<T>(values + p * kBlock * padded, nullptr,
                    head_rows<T>(c.v, b, c.kv_batch_stride, kb * kBlock, stride, kv_head, c.head_dim), n, c.head_dim, padded, stride, 1.0f);
    }
    // Later query blocks see more keys: dealt out one by one, long ones first. Who computes a block does not change it.
#pragma omp for schedule(dynamic, 1)
    for (int64_t item = 0; item < c.batch * c.n_heads * query_blocks; item++) {
      const int64_t heads = c.batch * c.n_heads;
      const int64_t query_block = query_blocks - 1 - item / heads;
      forward_block(out, lse, c, keys_t, values, scratch + omp_thread() * thread_floats(c), item % heads / c.n_heads, item % c.n_heads,
                    query_block);
    }
  }
}

// Calls run(first, last, row) for stretches of the keys [begin, end) of sequence b that lie one behind another, from row `row` of k and v
// on.
template <typename Run>
void key_runs(const AttentionCall &c, int64_t b, int64_t begin, int64_t end, Run run) {
  if (c.pages.table == nullptr) {
    run(begin, end, begin);
    return;
  }
  const int32_t *table = c.pages.table + b * c.pages.per_sequence;
  for (int64_t first = begin, last; first < end; first = last) {
    last = min_of(end, (first / c.pages.tokens + 1) * c.pages.tokens);
    run(first, last, table[first / c.pages.tokens] * c.pages.tokens + first % c.pages.tokens);
  }
}

// A query of few: where it stands, and which keys it sees, its segment's among [begin, end).
struct FewQuery {
  int64_t begin, end;
  int32_t segment;
  const int32_t *k_segment;  // NULL: all keys are of its document

  bool sees(int64_t key) const { return k_segment == nullptr || k_segment[key] == segment; }
};

FewQuery few_query(const AttentionCall &c, int64_t b, int64_t query, int64_t begin, int64_t end) {
  const int64_t position = c.positions == nullptr ? c.query_offset + query : c.positions[b];
  FewQuery q{max_of(begin, c.window == 0 ? 0 : position - c.window + 1), min_of(end, position + 1), 1, nullptr};
  if (c.q_segment != nullptr) {
    q.segment = c.q_segment[b * c.n_queries + query];
    q.k_segment = c.k_segment + b * c.n_keys;
  }
  if (q.segment == 0) q.end = q.begin;
  return q;
}

// Keys [begin, end) for one query and head: partial = {max, sum, out [head_dim]}, out not normalised. What the partial result is does not
// depend on where the keys lie.
template <typename T>
void partial_result(float *partial, const AttentionCall &c, float *scratch, int64_t b, int64_t query, int64_t head, int64_t begin,
                    int64_t end) {
  const int64_t padded = padded_dim(c);
  float *scores = scratch, *q = scores + kKeyChunk, *acc = q + padded;
  const int64_t kv_head = head / (c.n_heads / c.n_kv_heads), stride = c.n_kv_heads * c.head_dim;
  const T *keys = head_rows<T>(c.k, b, c.kv_batch_stride, 0, stride, kv_head, c.head_dim);
  const T *values = head_rows<T>(c.v, b, c.kv_batch_stride, 0, stride, kv_head, c.head_dim);
  const T *q_row = static_cast<const T *>(c.q) + ((b * c.n_queries + query) * c.n_heads + head) * c.head_dim;
  std::memset(acc, 0, static_cast<size_t>(padded) * sizeof(float));
  const FewQuery seen = few_query(c, b, query, begin, end);
  float max = kMinusInfinity;
  if (seen.begin < seen.end) {
    std::memset(q, 0, static_cast<size_t>(padded) * sizeof(float));
    for (int64_t j = 0; j < c.head_dim; j++) q[j] = load_one(q_row + j) * c.scale;
    key_runs(c, b, seen.begin, seen.end, [&](int64_t first, int64_t last, int64_t row) {
      for (int64_t j = first; j < last; j++) {
        float s = kMinusInfinity;
        if (seen.sees(j)) {
          s = dot(q, keys + (row + j - first) * stride, c.head_dim);
          if (c.softcap != 0.0f) s = std::tanh(s / c.softcap) * c.softcap;
        }
        scores[j - begin] = s;
        if (s > max || s != s) max = s;
      }
    });
  }
  double sum = 0;
  if (max != kMinusInfinity) {
    key_runs(c, b, seen.begin, seen.end, [&](int64_t first, int64_t last, int64_t run_row) {
      for (int64_t j = first; j < last; j++) {
        if (scores[j - begin] == kMinusInfinity) continue;
        const float p = std::exp(scores[j - begin] - max);
        sum += p;
        const T *row = values + (run_row + j - first) * stride;
        int64_t i = 0;
        for (; i + kWidth <= c.head_dim; i += kWidth) store(acc + i, load(acc + i) + load(row + i) * p);
        if (i < c.head_dim) store(acc + i, load(acc + i) + load_tail(row + i, c.head_dim - i) * p);
      }
    });
  }
  partial[0] = max;
  partial[1] = static_cast<float>(sum);
  std::memcpy(partial + 2, acc, static_cast<size_t>(c.head_dim) * sizeof(float));
}

template <typename T>
void merge_partials(T *out, float *lse, const float *partials, int64_t chunks, int64_t head_dim) {
  float max = kMinusInfinity;
  const int64_t size = head_dim + 2;
  for (int64_t p = 0; p < chunks; p++)
    if (partials[p * size] > max || partials[p * size] != partials[p * size]) max = partials[p * size];
  double sum = 0;
  for (int64_t p = 0; p < chunks; p++)
    if (partials[p * size] != kMinusInfinity) sum += std::exp(static_cast<double>(partials[p * size]) - max) * partials[p * size + 1];
  for (int64_t j = 0; j < head_dim; j++) {
    double value = 0;
    for (int64_t p = 0; p < chunks; p++)
      if (partials[p * size] != kMinusInfinity)
        value += std::exp(static_cast<double>(partials[p * size]) - max) * partials[p * size + 2 + j];
    store_one(out + j, sum == 0 ? 0.0f : static_cast<float>(value / sum));
  }
  if (lse != nullptr) *lse = sum == 0 ? kMinusInfinity : static_cast<float>(max + std::log(sum));
}

template <typename T>
void forward_in_place(T *out, float *lse, const AttentionCall &c, float *workspace) {
  const int64_t chunks = key_chunks(c), size = c.head_dim + 2, rows = c.batch * c.n_queries * c.n_heads;
  float *scratch = workspace + rows * chunks * size;
  const int64_t scratch_floats = kKeyChunk + 2 * padded_dim(c);
  for_items(*c.pool, rows * chunks, [&](int64_t item, int thread) {
    const int64_t row = item / chunks, chunk = item % chunks;
    partial_result<T>(workspace + item * size, c, scratch + thread * scratch_floats, row / c.n_heads / c.n_queries,
                      row / c.n_heads % c.n_queries, row % c.n_heads, chunk * kKeyChunk, min_of((chunk + 1) * kKeyChunk, c.n_keys));
  });
  for_items(*c.pool, rows, [&](int64_t row, int) {
    const int64_t head = row % c.n_heads, query = row / c.n_heads % c.n_queries, b = row / c.n_heads / c.n_queries;
    merge_partials(out + row * c.head_dim, lse == nullptr ? nullptr : lse + (b * c.n_heads + head) * c.n_queries + query,
                   workspace + row * chunks * size, chunks, c.head_dim);
  });
}

template <typename T>
void forward_typed(void *out, float *lse, const AttentionCall &c, void *workspace) {
  if (few_queries(c))
    forward_in_place(static_cast<T *>(out), lse, c, static_cast<float *>(workspace));
  else
    forward_blocks(static_cast<T *>(out), lse, c, static_cast<float *>(workspace));
}

void forward(void *out, float *lse, const AttentionCall &c, void *workspace) {
  if (c.dtype == SAILS_F32)
    forward_typed<float>(out, lse, c, workspace);
  else
    forward_typed<bf16>(out, lse, c, workspace);
}

}  // namespace

extern const AttentionKernels attention_kernels;
const AttentionKernels attention_kernels = {forward_workspace_bytes, forward, attention_backward_workspace_bytes, attention_backward};

}  // namespace sails::SAILS_ISA

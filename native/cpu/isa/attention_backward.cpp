// Attention backward (arXiv:2205.14135 appendix B.2), deterministic: one pass over query blocks for dq, one over key blocks for
// dk and dv, each recomputing the probabilities from lse; no atomics.
//   s = q.k scale, t = tanh(s / cap), p = exp(cap t - lse), dp = dout.v, delta = dout.out
//   ds = p (dp - delta) (1 - t^2);  dq = scale ds k,  dk = scale ds^T q,  dv = p^T dout
#include "cpu/isa/attention.h"

namespace sails::SAILS_ISA {
namespace {

// A head's rows packed in blocks: plain [kBlock, padded_dim] and transposed [head_dim, kBlock].
struct Panels {
  float *plain, *transposed;
};

struct Packed {
  Panels q, dout, k, v;
  float *delta;        // [batch, n_heads, blocks * kBlock]
  float *lse;          // the same, padded
  int32_t *q_segment;  // [batch, blocks * kBlock], padding -1
};

int64_t thread_floats(const AttentionCall &c) { return kBlock * (2 * kBlock + 2 * padded_dim(c)); }

Packed layout(const AttentionCall &c, float *base, int64_t &floats) {
  const int64_t q_panels = c.batch * c.n_heads * n_blocks(c.n_queries), k_panels = c.batch * c.n_kv_heads * n_blocks(c.n_keys);
  float *next = base;
  const auto take = [&next](int64_t count) {
    float *piece = next;
    next += count;
    return piece;
  };
  Packed p;
  p.q = {take(q_panels * kBlock * padded_dim(c)), take(q_panels * kBlock * c.head_dim)};
  p.dout = {take(q_panels * kBlock * padded_dim(c)), take(q_panels * kBlock * c.head_dim)};
  p.k = {take(k_panels * kBlock * padded_dim(c)), take(k_panels * kBlock * c.head_dim)};
  p.v = {take(k_panels * kBlock * padded_dim(c)), take(k_panels * kBlock * c.head_dim)};
  p.delta = take(q_panels * kBlock);
  p.lse = take(q_panels * kBlock);
  p.q_segment = reinterpret_cast<int32_t *>(take(c.batch * n_blocks(c.n_queries) * kBlock));
  floats = next - base;
  return p;
}

// ds and p of a vector of (query, key) pairs from s = q.k scale.
struct Pair {
  vf p, ds;
};
inline Pair pair_gradient(vf s, vf dp, vf lse, vf delta, vi visible, float cap, float inverse_cap) {
  vf slope = splat(1.0f);
  if (cap != 0.0f) {
    const vf t = vtanh(s * inverse_cap);
    s = t * cap;
    slope = 1.0f - t * t;
  }
  const vf p = select(visible, vexp(s - lse), (vf){});
  return {p, select(visible, p * (dp - delta) * slope, (vf){})};
}

template <typename T>
void pack_queries(const Packed &p, const AttentionCall &c, const void *dout, const void *out, const float *lse, int64_t panel) {
  const int64_t blocks = n_blocks(c.n_queries), padded = padded_dim(c);
  const int64_t qb = panel % blocks, head = panel / blocks % c.n_heads, b = panel / blocks / c.n_heads;
  const int64_t begin = qb * kBlock, n = min_of(kBlock, c.n_queries - begin), stride = c.n_heads * c.head_dim;
  const auto rows = [&](const void *base) { return head_rows<T>(base, b, c.n_queries * stride, begin, stride, head, c.head_dim); };
  pack_block<T>(p.q.plain + panel * kBlock * padded, p.q.transposed + panel * kBlock * c.head_dim, rows(c.q), n, c.head_dim, padded, stride,
                c.scale);
  float *dout_rows = p.dout.plain + panel * kBlock * padded;
  pack_block<T>(dout_rows, p.dout.transposed + panel * kBlock * c.head_dim, rows(dout), n, c.head_dim, padded, stride, 1.0f);
  const T *out_rows = rows(out);
  for (int64_t i = 0; i < kBlock; i++) {
    vf sum = {};
    for (int64_t j = 0; i < n && j < c.head_dim; j += kWidth) {
      const int64_t m = min_of(kWidth, c.head_dim - j);
      const vf o = m == kWidth ? load(out_rows + i * stride + j) : load_tail(out_rows + i * stride + j, m);
      sum += load(dout_rows + i * padded + j) * o;
    }
    p.delta[panel * kBlock + i] = hsum(sum);
    p.lse[panel * kBlock + i] = i < n ? lse[(b * c.n_heads + head) * c.n_queries + begin + i] : 0.0f;
    if (head == 0) {
      const int32_t segment = i < n ? c.q_segment[b * c.n_queries + begin + i] : 0;
      p.q_segment[(b * blocks + qb) * kBlock + i] = segment == 0 ? -1 : segment;
    }
  }
}

template <typename T>
void pack_keys(const Packed &p, const AttentionCall &c, int64_t panel) {
  const int64_t blocks = n_blocks(c.n_keys), padded = padded_dim(c);
  const int64_t kb = panel % blocks, head = panel / blocks % c.n_kv_heads, b = panel / blocks / c.n_kv_heads;
  const int64_t n = min_of(kBlock, c.n_keys - kb * kBlock), stride = c.n_kv_heads * c.head_dim;
  pack_block<T>(p.k.plain + panel * kBlock * padded, p.k.transposed + panel * kBlock * c.head_dim,
                head_rows<T>(c.k, b, c.kv_batch_stride, kb * kBlock, stride, head, c.head_dim), n, c.head_dim, padded, stride, 1.0f);
  pack_block<T>(p.v.plain + panel * kBlock * padded, p.v.transposed + panel * kBlock * c.head_dim,
                head_rows<T>(c.v, b, c.kv_batch_stride, kb * kBlock, stride, head, c.head_dim), n, c.head_dim, padded, stride, 1.0f);
}

template <typename T>
void store_rows(T *rows, int64_t stride, const float *block, int64_t n, int64_t head_dim, int64_t padded, float factor) {
  for (int64_t i = 0; i < n; i++) {
    int64_t j = 0;
    for (; j + kWidth <= head_dim; j += kWidth) store(rows + i * stride + j, load(block + i * padded + j) * factor);
    if (j < head_dim) store_tail(rows + i * stride + j, load(block + i * padded + j) * factor, head_dim - j);
  }
}

template <typename T>
void query_gradient(T *dq, const Packed &p, const AttentionCall &c, float *scratch, int64_t panel) {
  const int64_t blocks = n_blocks(c.n_queries), padded = padded_dim(c), key_blocks = n_blocks(c.n_keys);
  const int64_t qb = panel % blocks, head = panel / blocks % c.n_heads, b = panel / blocks / c.n_heads;
  const int64_t n = min_of(kBlock, c.n_queries - qb * kBlock), first = c.query_offset + qb * kBlock;
  const int64_t k_panel = (b * c.n_kv_heads + head / (c.n_heads / c.n_kv_heads)) * key_blocks;
  float *s = scratch, *dp = s + kBlock * kBlock, *acc = dp + kBlock * kBlock;
  const float inverse_cap = c.softcap == 0.0f ? 0.0f : 1.0f / c.softcap;
  const vi lanes = iota();
  std::memset(acc, 0, static_cast<size_t>(kBlock * padded) * sizeof(float));
  for (int64_t kb = 0; kb < key_blocks; kb++) {
    if (!block_visible(c, kb, first, first + n - 1)) continue;
    const int64_t n_keys = min_of(kBlock, c.n_keys - kb * kBlock);
    gemm(s, kBlock, p.q.plain + panel * kBlock * padded, padded, p.k.transposed + (k_panel + kb) * kBlock * c.head_dim, kBlock, n, kBlock,
         c.head_dim, false);
    gemm(dp, kBlock, p.dout.plain + panel * kBlock * padded, padded, p.v.transposed + (k_panel + kb) * kBlock * c.head_dim, kBlock, n,
         kBlock, c.head_dim, false);
    for (int64_t i = 0; i < n; i++) {
      const int64_t position = first + i - kb * kBlock;  // within the block
      const int32_t last = static_cast<int32_t>(max_of(min_of(position, kBlock), -1));
      const int32_t from = static_cast<int32_t>(c.window == 0 ? 0 : max_of(min_of(position - c.window + 1, kBlock), 0));
      const int32_t segment = p.q_segment[(b * blocks + qb) * kBlock + i];
      const vf lse = splat(p.lse[panel * kBlock + i]), delta = splat(p.delta[panel * kBlock + i]);
      for (int64_t j = 0; j < kBlock; j += kWidth) {
        vi segments = {};
        const int64_t m = min_of(kWidth, n_keys - j);
        if (m > 0) std::memcpy(&segments, c.k_segment + b * c.n_keys + kb * kBlock + j, static_cast<size_t>(m) * sizeof(int32_t));
        const vi index = lanes + static_cast<int32_t>(j);
        const vi visible = (vi)(index <= last) & (vi)(index >= from) & (vi)(segments == segment);
        const Pair pair = pair_gradient(load(s + i * kBlock + j), load(dp + i * kBlock + j), lse, delta, visible, c.softcap, inverse_cap);
        store(s + i * kBlock + j, pair.ds);
      }
    }
    gemm(acc, padded, s, kBlock, p.k.plain + (k_panel + kb) * kBlock * padded, padded, n, padded, n_keys, true);
  }
  const int64_t stride = c.n_heads * c.head_dim;
  store_rows(dq + (b * c.n_queries + qb * kBlock) * stride + head * c.head_dim, stride, acc, n, c.head_dim, padded, c.scale);
}

template <typename T>
void key_gradient(T *dk, T *dv, const Packed &p, const AttentionCall &c, float *scratch, int64_t panel) {
  const int64_t blocks = n_blocks(c.n_keys), padded = padded_dim(c), query_blocks = n_blocks(c.n_queries);
  const int64_t kb = panel % blocks, kv_head = panel / blocks % c.n_kv_heads, b = panel / blocks / c.n_kv_heads;
  const int64_t n = min_of(kBlock, c.n_keys - kb * kBlock), group = c.n_heads / c.n_kv_heads;
  float *s = scratch, *dp = s + kBlock * kBlock, *dk_acc = dp + kBlock * kBlock, *dv_acc = dk_acc + kBlock * padded;
  const float inverse_cap = c.softcap == 0.0f ? 0.0f : 1.0f / c.softcap;
  const vi lanes = iota();
  std::memset(dk_acc, 0, static_cast<size_t>(2 * kBlock * padded) * sizeof(float));
  for (int64_t item = 0; item < group * query_blocks; item++) {
    const int64_t qb = item % query_blocks, head = kv_head * group + item / query_blocks;
    const int64_t n_queries = min_of(kBlock, c.n_queries - qb * kBlock), first = c.query_offset + qb * kBlock;
    if (!block_visible(c, kb, first, first + n_queries - 1)) continue;
    const int64_t q_panel = (b * c.n_heads + head) * query_blocks + qb;
    gemm(s, kBlock, p.k.plain + panel * kBlock * padded, padded, p.q.transposed + q_panel * kBlock * c.head_dim, kBlock, n, kBlock,
         c.head_dim, false);
    gemm(dp, kBlock, p.v.plain + panel * kBlock * padded, padded, p.dout.transposed + q_panel * kBlock * c.head_dim, kBlock, n, kBlock,
         c.head_dim, false);
    for (int64_t j = 0; j < n; j++) {
      // Query lane i stands at first + i and sees this key iff 0 <= first + i - key < window.
      const int64_t distance = first - (kb * kBlock + j);
      const int32_t from = static_cast<int32_t>(max_of(min_of(-distance, kBlock), 0));
      const int32_t last = static_cast<int32_t>(c.window == 0 ? kBlock : max_of(min_of(c.window - 1 - distance, kBlock), -1));
      const int32_t segment = c.k_segment[b * c.n_keys + kb * kBlock + j];
      for (int64_t i = 0; i < kBlock; i += kWidth) {
        vi segments;
        std::memcpy(&segments, p.q_segment + (b * query_blocks + qb) * kBlock + i, sizeof segments);
        const vi index = lanes + static_cast<int32_t>(i);
        const vi visible = (vi)(index >= from) & (vi)(index <= last) & (vi)(segments == segment);
        const Pair pair = pair_gradient(load(s + j * kBlock + i), load(dp + j * kBlock + i), load(p.lse + q_panel * kBlock + i),
                                        load(p.delta + q_panel * kBlock + i), visible, c.softcap, inverse_cap);
        store(s + j * kBlock + i, pair.ds);
        store(dp + j * kBlock + i, pair.p);
      }
    }
    gemm(dk_acc, padded, s, kBlock, p.q.plain + q_panel * kBlock * padded, padded, n, padded, n_queries, true);
    gemm(dv_acc, padded, dp, kBlock, p.dout.plain + q_panel * kBlock * padded, padded, n, padded, n_queries, true);
  }
  const int64_t stride = c.n_kv_heads * c.head_dim, offset = (b * c.n_keys + kb * kBlock) * stride + kv_head * c.head_dim;
  store_rows(dk + offset, stride, dk_acc, n, c.head_dim, padded, 1.0f);  // q is packed with the scale in it
  store_rows(dv + offset, stride, dv_acc, n, c.head_dim, padded, 1.0f);
}

template <typename T>
void backward_typed(T *dq, T *dk, T *dv, const void *dout, const void *out, const float *lse, const AttentionCall &c, float *workspace) {
  int64_t packed_floats;
  const Packed p = layout(c, workspace, packed_floats);
  float *scratch = workspace + packed_floats;
  const int64_t q_panels = c.batch * c.n_heads * n_blocks(c.n_queries), k_panels = c.batch * c.n_kv_heads * n_blocks(c.n_keys);
#pragma omp parallel num_threads(threads_of(*c.pool))
  {
#pragma omp for schedule(static)
    for (int64_t panel = 0; panel < q_panels; panel++) pack_queries<T>(p, c, dout, out, lse, panel);
#pragma omp for schedule(static)
    for (int64_t panel = 0; panel < k_panels; panel++) pack_keys<T>(p, c, panel);
#pragma omp for schedule(dynamic, 1)
    for (int64_t panel = 0; panel < q_panels; panel++) query_gradient(dq, p, c, scratch + omp_thread() * thread_floats(c), panel);
#pragma omp for schedule(dynamic, 1)
    for (int64_t panel = 0; panel < k_panels; panel++) key_gradient(dk, dv, p, c, scratch + omp_thread() * thread_floats(c), panel);
  }
}

}  // namespace

int64_t attention_backward_workspace_bytes(const AttentionCall &c) {
  int64_t floats;
  layout(c, nullptr, floats);
  return 4 * (floats + threads_of(*c.pool) * thread_floats(c));
}

void attention_backward(void *dq, void *dk, void *dv, const void *dout, const void *out, const float *lse, const AttentionCall &c,
                        void *workspace) {
  if (c.dtype == SAILS_F32)
    backward_typed(static_cast<float *>(dq), static_cast<float *>(dk), static_cast<float *>(dv), dout, out, lse, c,
                   static_cast<float *>(workspace));
  else
    backward_typed(static_cast<bf16 *>(dq), static_cast<bf16 *>(dk), static_cast<bf16 *>(dv), dout, out, lse, c,
                   static_cast<float *>(workspace));
}

}  // namespace sails::SAILS_ISA

// The operations of a decoded token.
#include <type_traits>

#include "cuda/attention.h"
#include "cuda/dependent_launch.h"
#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "decoding/decode_advance.cuh"
#include "decoding/rope_append.cuh"

namespace sails::backend {
namespace {

using kernels::AttentionConfig;
using kernels::AttentionPartials;
using kernels::AttentionProblem;
using kernels::AttentionShape;
using kernels::bf16;

template <typename T>
void decode(CudaDevice &d, const AttentionDecode &call, Workspace workspace) {
  constexpr bool kBf16 = std::is_same_v<T, bf16>;
  const AttentionProblem<T> p = attention_problem<T>(call.sizes, call.inputs);
  // Named: nvcc drops the braces of a list in a template's call.
  const std::initializer_list<const void *> tensors = {p.q, p.k, p.v, call.out};
  const bool vectors = kBf16 && kernels::rows_aligned(p, tensors);
  const AttentionConfig config = kernels::choose_attention_decode(p, kBf16, vectors, d.multiprocessors);
  const AttentionPartials partials = take_partials(p, config.splits, workspace);
  const int32_t *places = call.inputs.pages.table == nullptr ? call.key_position : call.inputs.positions;
  check(kernels::launch_attention_decode(early_stream(d), p, config, static_cast<T *>(call.out), partials, places));
}

}  // namespace

void rope_append(sails_device &device, const RopeAppend &call) {
  with_type(call.dtype, call.q, [&](auto *typed_q) {
    using T = std::remove_pointer_t<decltype(typed_q)>;
    const kernels::RopeAppend<T> p = {typed_q,
                                      static_cast<T *>(call.keys),
                                      static_cast<T *>(call.values),
                                      call.k_segment,
                                      static_cast<const T *>(call.k),
                                      static_cast<const T *>(call.v),
                                      call.table,
                                      call.q_segment,
                                      call.pages.table == nullptr ? call.key_position : call.positions,
                                      call.batch,
                                      call.capacity,
                                      call.n_heads,
                                      call.n_kv_heads,
                                      call.head_dim,
                                      key_pages(call.pages)};
    check(kernels::launch_rope_append(early_stream(cuda(device)), p, cuda(device).fault));
  });
}

void decode_advance(sails_device &device, int32_t *history, int32_t *positions, int32_t *key_position, int32_t *step, const int32_t *ids,
                    int64_t batch, int64_t n_steps) {
  check(kernels::launch_decode_advance(cuda(device).stream, history, positions, key_position, step, ids, batch, n_steps));
}

int64_t attention_decode_workspace_bytes(sails_device &device, const AttentionSizes &sizes) {
  const AttentionShape s = attention_shape(sizes);
  const int64_t splits = kernels::choose_attention_decode(s, sizes.dtype == SAILS_BF16, true, cuda(device).multiprocessors).splits;
  return partials_bytes(s, splits);
}

void attention_decode(sails_device &device, const AttentionDecode &call, Workspace workspace) {
  const auto run = call.sizes.dtype == SAILS_F32 ? decode<float> : decode<bf16>;
  run(cuda(device), call, workspace);
}

}  // namespace sails::backend

// The sparse autoencoder operations; the encoder's matmul runs block by block, its threshold on the block while it is in cache.
#include <algorithm>
#include <cstring>
#include <limits>

#include "cpu/device.h"
#include "cpu/matmul.h"
#include "shell/backend.h"

namespace sails {
namespace {

constexpr int64_t kTokenBlock = 256;
constexpr int64_t kFeatureBlock = 4096;  // 256 x 4096 f32 = 4 MiB of pre-activations at once

struct Blocks {
  int64_t tokens, features, matmul_bytes;
};

MatmulShape block_shape(int64_t tokens, int64_t features, int64_t d_in, int64_t d_sae, int32_t dtype) {
  MatmulShape shape = MatmulShape::dense(tokens, features, d_in, SAILS_F32, dtype, false, false);
  shape.ldb = d_sae;
  return shape;
}

Blocks encode_blocks(CpuDevice &device, int64_t n_tokens, int64_t d_in, int64_t d_sae, int32_t dtype) {
  Blocks b{std::min(n_tokens, kTokenBlock), std::min(d_sae, kFeatureBlock), 0};
  // Full blocks and the last ones of either side.
  for (int64_t tokens : {b.tokens, b.tokens == 0 ? 0 : n_tokens % b.tokens})
    for (int64_t features : {b.features, b.features == 0 ? 0 : d_sae % b.features})
      b.matmul_bytes = std::max(b.matmul_bytes, matmul_workspace_bytes(device, block_shape(tokens, features, d_in, d_sae, dtype)));
  return b;
}

// Top-k: candidates of each token of the block, at most k kept between feature blocks, a block's worth added to them.
int64_t candidate_room(int64_t k, const Blocks &b) { return k + b.features; }

bool encodes_nothing(int64_t n_tokens, int64_t d_sae, int32_t activation, int64_t k) {
  return n_tokens == 0 || d_sae == 0 || (activation == SAILS_SAE_TOPK && k == 0);
}

int64_t encode_bytes(CpuDevice &device, int64_t n_tokens, int64_t d_in, int64_t d_sae, int32_t activation, int64_t k, int32_t dtype) {
  if (encodes_nothing(n_tokens, d_sae, activation, k)) return 0;
  const Blocks b = encode_blocks(device, n_tokens, d_in, d_sae, dtype);
  int64_t bytes = aligned_bytes(4 * b.tokens * b.features) + b.matmul_bytes;
  if (activation == SAILS_SAE_TOPK)
    bytes += 2 * aligned_bytes(4 * b.tokens * k) + 2 * aligned_bytes(4 * device.threads * candidate_room(k, b)) +
             aligned_bytes(4 * device.threads * candidate_room(k, b)) + aligned_bytes(4 * b.tokens);
  return bytes;
}

struct Encoder {
  CpuDevice &device;
  int32_t *indices;
  float *values;
  int32_t *counts;
  const float *bias, *threshold, *scale, *gate_bias;
  int64_t capacity, k;
  Blocks blocks;
  // Top-k: what each token keeps so far.
  int32_t *kept_ids;
  float *kept_z;
  int32_t *kept_count;
  int32_t *room_ids, *order;
  float *room_z;

  SaeScan scan_from(int64_t feature) const {
    const auto at = [feature](const float *p) { return p == nullptr ? nullptr : p + feature; };
    return {at(bias), at(threshold), at(scale), at(gate_bias)};
  }

  void scan_block(const float *z0, int64_t first_token, int64_t n_tokens, int64_t first_feature, int64_t n_features) {
    const SaeScan scan = scan_from(first_feature);
#pragma omp parallel for num_threads(device.threads) schedule(static)
    for (int64_t t = 0; t < n_tokens; t++) {
      const int64_t row = first_token + t;
      counts[row] = static_cast<int32_t>(device.kernels->sae->scan(indices + row * capacity, values + row * capacity, counts[row], capacity,
                                                                   z0 + t * n_features, n_features, first_feature, scan));
    }
  }

  void topk_block(float *z, int64_t n_tokens, int64_t first_feature, int64_t n_features) {
    const SaeScan scan = scan_from(first_feature);
    const int64_t room = candidate_room(k, blocks);
#pragma omp parallel num_threads(device.threads)
    {
      const int64_t thread = thread_number();
#pragma omp for schedule(static)
      for (int64_t t = 0; t < n_tokens; t++)
        keep_largest(t, z + t * n_features, first_feature, n_features, scan, room_ids + thread * room, room_z + thread * room,
                     order + thread * room);
    }
  }

  // Candidates at least as large as the smallest kept join; the k largest stay, rising by id.
  void keep_largest(int64_t t, float *z, int64_t first_feature, int64_t n_features, const SaeScan &scan, int32_t *ids, float *zs,
                    int32_t *ranks) {
    device.kernels->sae->affine(z, n_features, scan.scale, scan.bias);
    int64_t count = kept_count[t];
    float floor = -std::numeric_limits<float>::infinity();
    if (count == k) floor = *std::min_element(kept_z + t * k, kept_z + t * k + k);
    std::memcpy(ids, kept_ids + t * k, static_cast<size_t>(count) * 4);
    std::memcpy(zs, kept_z + t * k, static_cast<size_t>(count) * 4);
    count += device.kernels->sae->at_least(ids + count, zs + count, z, n_features, first_feature, floor);
    for (int64_t i = 0; i < count; i++) ranks[i] = static_cast<int32_t>(i);
    const int64_t keep = std::min(k, count);
    // Lower places hold lower ids, so a tie is decided by the place.
    if (keep < count)
      std::nth_element(ranks, ranks + keep, ranks + count,
                       [zs](int32_t a, int32_t b) { return zs[a] > zs[b] || (zs[a] == zs[b] && a < b); });
    std::sort(ranks, ranks + keep);
    for (int64_t i = 0; i < keep; i++) {
      kept_ids[t * k + i] = ids[ranks[i]];
      kept_z[t * k + i] = zs[ranks[i]];
    }
    kept_count[t] = static_cast<int32_t>(keep);
  }

  void write_topk(int64_t first_token, int64_t n_tokens) {
    for (int64_t t = 0; t < n_tokens; t++) {
      const int64_t row = first_token + t;
      int64_t count = 0;
      for (int64_t i = 0; i < kept_count[t]; i++) {
        if (!(kept_z[t * k + i] > 0.0f)) continue;
        if (count < capacity) {
          indices[row * capacity + count] = kept_ids[t * k + i];
          values[row * capacity + count] = kept_z[t * k + i];
        }
        count++;
      }
      counts[row] = static_cast<int32_t>(count);
    }
  }
};

void check_codes(const int32_t *indices, const int32_t *counts, int64_t n_tokens, int64_t capacity, int64_t d_sae) {
  for (int64_t t = 0; t < n_tokens; t++) {
    require(counts[t] >= 0, "counts[" + std::to_string(t) + "] is negative");
    const int64_t n = std::min<int64_t>(counts[t], capacity);
    for (int64_t j = 0; j < n; j++) {
      const int32_t id = indices[t * capacity + j];
      require(id >= 0 && id < d_sae,
              "indices of token " + std::to_string(t) + " contain " + std::to_string(id) + ", d_sae is " + std::to_string(d_sae));
    }
  }
}

void check_classes(const int32_t *token_class, int64_t n_tokens, int64_t n_classes) {
  for (int64_t t = 0; t < n_tokens; t++)
    require(token_class[t] < n_classes,
            "token_class[" + std::to_string(t) + "] is " + std::to_string(token_class[t]) + ", n_classes is " + std::to_string(n_classes));
}

}  // namespace

namespace backend {

void standardize_forward(sails_device &device, float *y, float *mean, float *std, const float *x, int64_t n_rows, int64_t n_cols,
                         float eps) {
  CpuDevice &host = cpu(device);
  host.kernels->norm->standardize_forward(y, mean, std, x, n_rows, n_cols, eps, host.threads);
}

void standardize_backward(sails_device &device, float *dx, const float *dy, const float *dmean, const float *dstd, const float *x,
                          const float *mean, const float *std, int64_t n_rows, int64_t n_cols, float eps) {
  CpuDevice &host = cpu(device);
  host.kernels->norm->standardize_backward(dx, dy, dmean, dstd, x, mean, std, n_rows, n_cols, eps, host.threads);
}

void unstandardize_forward(sails_device &device, float *y, const float *x, const float *mean, const float *std, int64_t n_rows,
                           int64_t n_cols) {
  CpuDevice &host = cpu(device);
  host.kernels->norm->unstandardize_forward(y, x, mean, std, n_rows, n_cols, host.threads);
}

void unstandardize_backward(sails_device &device, float *dx, float *dmean, float *dstd, const float *dy, const float *x, const float *std,
                            int64_t n_rows, int64_t n_cols) {
  CpuDevice &host = cpu(device);
  host.kernels->norm->unstandardize_backward(dx, dmean, dstd, dy, x, std, n_rows, n_cols, host.threads);
}

int64_t sae_encode_workspace_bytes(sails_device &device, int64_t n_tokens, int64_t d_in, int64_t d_sae, int32_t activation, int64_t k,
                                   int32_t dtype) {
  return encode_bytes(cpu(device), n_tokens, d_in, d_sae, activation, k, dtype);
}

void sae_encode(sails_device &device, int32_t *indices, float *values, int32_t *counts, const void *x, const void *w_enc, const float *bias,
                const float *threshold, const float *scale, const float *gate_bias, int64_t n_tokens, int64_t d_in, int64_t d_sae,
                int64_t capacity, int32_t activation, int64_t k, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  const int64_t size = dtype == SAILS_F32 ? 4 : 2;
  std::memset(counts, 0, static_cast<size_t>(n_tokens) * 4);
  if (encodes_nothing(n_tokens, d_sae, activation, k)) return;
  const Blocks b = encode_blocks(host, n_tokens, d_in, d_sae, dtype);
  Workspace pieces(workspace, workspace_bytes);
  float *z0 = pieces.take<float>(b.tokens * b.features);
  void *scratch = pieces.take<char>(b.matmul_bytes);
  Encoder encoder{host, indices, values,  counts,  bias,    threshold, scale,   gate_bias, capacity,
                  k,    b,       nullptr, nullptr, nullptr, nullptr,   nullptr, nullptr};
  if (activation == SAILS_SAE_TOPK) {
    encoder.kept_ids = pieces.take<int32_t>(b.tokens * k);
    encoder.kept_z = pieces.take<float>(b.tokens * k);
    encoder.room_ids = pieces.take<int32_t>(host.threads * candidate_room(k, b));
    encoder.room_z = pieces.take<float>(host.threads * candidate_room(k, b));
    encoder.order = pieces.take<int32_t>(host.threads * candidate_room(k, b));
    encoder.kept_count = pieces.take<int32_t>(b.tokens);
  }
  for (int64_t t = 0; t < n_tokens; t += b.tokens) {
    const int64_t tokens = std::min(b.tokens, n_tokens - t);
    if (activation == SAILS_SAE_TOPK) std::memset(encoder.kept_count, 0, static_cast<size_t>(tokens) * 4);
    for (int64_t f = 0; f < d_sae; f += b.features) {
      const int64_t features = std::min(b.features, d_sae - f);
      sails::matmul(host, z0, static_cast<const char *>(x) + t * d_in * size, static_cast<const char *>(w_enc) + f * size,
                    block_shape(tokens, features, d_in, d_sae, dtype), 1.0f, 0.0f, scratch, b.matmul_bytes);
      if (activation == SAILS_SAE_TOPK)
        encoder.topk_block(z0, tokens, f, features);
      else
        encoder.scan_block(z0, t, tokens, f, features);
    }
    if (activation == SAILS_SAE_TOPK) encoder.write_topk(t, tokens);
  }
}

int64_t sae_statistics_workspace_bytes(sails_device &device, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t, int32_t,
                                       int32_t dtype) {
  CpuDevice &host = cpu(device);
  if (encodes_nothing(n_tokens, d_sae, SAILS_SAE_RELU, 0)) return 0;
  const Blocks b = encode_blocks(host, n_tokens, d_in, d_sae, dtype);
  return aligned_bytes(4 * b.tokens * b.features) + b.matmul_bytes + 2 * aligned_bytes(4 * b.features);
}

// Each thread owns a range of the block's features and goes through the tokens in their order.
void sae_statistics(sails_device &device, double *sum, double *sum_squares, double *active, const void *x, const void *w_enc,
                    const float *bias, const float *threshold, const float *scale, const float *gate_bias, const int32_t *token_class,
                    const float *token_weight, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t n_classes, int32_t, int32_t dtype,
                    void *workspace, int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  check_classes(token_class, n_tokens, n_classes);
  const int64_t size = dtype == SAILS_F32 ? 4 : 2;
  const Blocks b = encode_blocks(host, n_tokens, d_in, d_sae, dtype);
  Workspace pieces(workspace, workspace_bytes);
  float *z0 = pieces.take<float>(b.tokens * b.features);
  void *scratch = pieces.take<char>(b.matmul_bytes);
  auto *ids = pieces.take<int32_t>(b.features);
  auto *values = pieces.take<float>(b.features);
  const auto at = [](const float *p, int64_t i) { return p == nullptr ? nullptr : p + i; };
  for (int64_t first = 0; first < n_tokens; first += b.tokens) {
    const int64_t tokens = std::min(b.tokens, n_tokens - first);
    for (int64_t f = 0; f < d_sae; f += b.features) {
      const int64_t features = std::min(b.features, d_sae - f);
      sails::matmul(host, z0, static_cast<const char *>(x) + first * d_in * size, static_cast<const char *>(w_enc) + f * size,
                    block_shape(tokens, features, d_in, d_sae, dtype), 1.0f, 0.0f, scratch, b.matmul_bytes);
      const int64_t range = (features + host.threads - 1) / host.threads;
#pragma omp parallel for num_threads(host.threads) schedule(static, 1)
      for (int64_t begin = 0; begin < features; begin += range) {
        const int64_t n = std::min(range, features - begin), id = f + begin;
        const SaeScan scan{at(bias, id), at(threshold, id), at(scale, id), at(gate_bias, id)};
        for (int64_t t = 0; t < tokens; t++) {
          const int32_t c = token_class[first + t];
          if (c < 0) continue;
          const double weight = token_weight == nullptr ? 1.0 : static_cast<double>(token_weight[first + t]);
          const int64_t count = host.kernels->sae->scan(ids + begin, values + begin, 0, n, z0 + t * features + begin, n, id, scan);
          for (int64_t j = begin; j < begin + count; j++) {
            const int64_t cell = c * d_sae + ids[j];
            const auto value = static_cast<double>(values[j]);
            sum[cell] += weight * value;
            if (sum_squares != nullptr) sum_squares[cell] += weight * value * value;
            if (active != nullptr) active[cell] += 1;
          }
        }
      }
    }
  }
}

void sae_encode_backward(sails_device &device, float *dx, const float *dvalues, const int32_t *indices, const int32_t *counts,
                         const void *w_enc, const float *scale, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity,
                         int32_t dtype) {
  CpuDevice &host = cpu(device);
  check_codes(indices, counts, n_tokens, capacity, d_sae);
  host.kernels->sae->encode_backward(dx, dvalues, indices, counts, w_enc, scale, n_tokens, d_in, d_sae, capacity, dtype, host.threads);
}

void sae_decode(sails_device &device, float *recon, const int32_t *indices, const float *values, const int32_t *counts, const void *w_dec,
                const float *bias, const float *scale, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity, int32_t dtype) {
  CpuDevice &host = cpu(device);
  check_codes(indices, counts, n_tokens, capacity, d_sae);
  host.kernels->sae->decode(recon, indices, values, counts, w_dec, bias, scale, n_tokens, d_in, capacity, dtype, host.threads);
}

void sae_decode_backward(sails_device &device, float *dvalues, const float *drecon, const int32_t *indices, const int32_t *counts,
                         const void *w_dec, const float *scale, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity,
                         int32_t dtype) {
  CpuDevice &host = cpu(device);
  check_codes(indices, counts, n_tokens, capacity, d_sae);
  host.kernels->sae->decode_backward(dvalues, drecon, indices, counts, w_dec, scale, n_tokens, d_in, capacity, dtype, host.threads);
}

void sae_densify(sails_device &device, float *acts, const int32_t *indices, const float *values, const int32_t *counts, int64_t n_tokens,
                 int64_t d_sae, int64_t capacity) {
  CpuDevice &host = cpu(device);
  check_codes(indices, counts, n_tokens, capacity, d_sae);
#pragma omp parallel for num_threads(host.threads) schedule(static)
  for (int64_t t = 0; t < n_tokens; t++) {
    float *row = acts + t * d_sae;
    std::memset(row, 0, static_cast<size_t>(d_sae) * 4);
    const int64_t n = std::min<int64_t>(counts[t], capacity);
    for (int64_t j = 0; j < n; j++) row[indices[t * capacity + j]] = values[t * capacity + j];
  }
}

void sae_accumulate(sails_device &, double *sum, double *active, const int32_t *indices, const float *values, const int32_t *counts,
                    const int32_t *token_class, const float *token_weight, int64_t n_tokens, int64_t d_sae, int64_t capacity,
                    int64_t n_classes) {
  check_codes(indices, counts, n_tokens, capacity, d_sae);
  check_classes(token_class, n_tokens, n_classes);
  // The codes are few: one thread in the order of the tokens is exact and fast enough (about 1 ns a code).
  for (int64_t t = 0; t < n_tokens; t++) {
    if (token_class[t] < 0) continue;
    const double weight = token_weight == nullptr ? 1.0 : static_cast<double>(token_weight[t]);
    double *class_sum = sum + token_class[t] * d_sae;
    double *class_active = active == nullptr ? nullptr : active + token_class[t] * d_sae;
    const int64_t count = std::min<int64_t>(counts[t], capacity);
    for (int64_t j = 0; j < count; j++) {
      const int32_t id = indices[t * capacity + j];
      class_sum[id] += weight * static_cast<double>(values[t * capacity + j]);
      if (class_active != nullptr) class_active[id] += 1;
    }
  }
}

}  // namespace backend
}  // namespace sails

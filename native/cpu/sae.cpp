// The sparse autoencoder operations; the encoder's matmul runs block by block, its threshold on the block while it is in cache.
#include <algorithm>
#include <cstring>
#include <functional>
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

MatmulShape block_shape(const SaeEncoderSizes &s, int64_t tokens, int64_t features) {
  MatmulShape shape = MatmulShape::dense(tokens, features, s.d_in, SAILS_F32, s.dtype, false, false);
  shape.ldb = s.d_sae;
  return shape;
}

Blocks encode_blocks(CpuDevice &device, const SaeEncoderSizes &s) {
  Blocks b{std::min(s.n_tokens, kTokenBlock), std::min(s.d_sae, kFeatureBlock), 0};
  // Full blocks and the last ones of either side.
  for (int64_t tokens : {b.tokens, b.tokens == 0 ? 0 : s.n_tokens % b.tokens})
    for (int64_t features : {b.features, b.features == 0 ? 0 : s.d_sae % b.features})
      b.matmul_bytes = std::max(b.matmul_bytes, matmul_workspace_bytes(device, block_shape(s, tokens, features)));
  return b;
}

struct Block {
  int64_t first_token, tokens, first_feature, features;
};

// Of so few tokens the encoder's matrix is better read once, as it lies, than packed: those of a decoding step under a monitor.
constexpr int64_t kFewTokens = 8;

// Its pre-activations z0 [tokens, features].
void multiply_block(CpuDevice &device, float *z0, const SaeEncoderSizes &s, const SaeEncoder &encoder, const Block &b,
                    Workspace workspace) {
  if (s.n_tokens <= kFewTokens && s.dtype == SAILS_F32) {
    device.kernels->gemv->sum_rows(z0, static_cast<const float *>(encoder.x) + b.first_token * s.d_in,
                                   static_cast<const float *>(encoder.w_enc) + b.first_feature, b.tokens, b.features, s.d_in, s.d_sae,
                                   device.threads);
    return;
  }
  const int64_t size = s.dtype == SAILS_F32 ? 4 : 2;
  matmul(device, z0, static_cast<const char *>(encoder.x) + b.first_token * s.d_in * size,
         static_cast<const char *>(encoder.w_enc) + b.first_feature * size, block_shape(s, b.tokens, b.features), 1.0f, 0.0f, workspace);
}

// Of the features from `feature` on.
SaeScan scan_from(const SaeEncoder &encoder, int64_t feature) {
  const auto at = [feature](const float *p) { return p == nullptr ? nullptr : p + feature; };
  return {at(encoder.bias), at(encoder.threshold), at(encoder.scale), at(encoder.gate_bias)};
}

constexpr int64_t kLanes = 16;  // of the widest vectors

// Top-k: candidates of each token of the block, at most k kept between feature blocks, a block's worth added to them.
int64_t candidate_room(int64_t k, const Blocks &b) { return k + b.features + kLanes; }

// About eight groups for each of the k: few of the largest share one.
int64_t features_of_group(int64_t n_features, int64_t k) { return n_features / (8 * k); }

bool encodes_nothing(const SaeEncoderSizes &s) { return s.n_tokens == 0 || s.d_sae == 0 || (s.activation == SAILS_SAE_TOPK && s.k == 0); }

struct Encoder {
  CpuDevice &device;
  const SaeEncode &p;
  Blocks blocks;
  // Top-k: what each token keeps so far.
  int32_t *kept_ids = nullptr;
  float *kept_z = nullptr;
  int32_t *kept_count = nullptr;
  int32_t *room_ids = nullptr, *order = nullptr;
  float *room_z = nullptr;

  void scan_block(const float *z0, int64_t first_token, int64_t n_tokens, int64_t first_feature, int64_t n_features) {
    const SaeScan scan = scan_from(p.encoder, first_feature);
#pragma omp parallel for num_threads(device.threads) schedule(static)
    for (int64_t t = 0; t < n_tokens; t++) {
      const int64_t row = first_token + t;
      p.counts[row] =
          static_cast<int32_t>(device.kernels->sae->scan(p.indices + row * p.capacity, p.values + row * p.capacity, p.counts[row],
                                                         p.capacity, z0 + t * n_features, n_features, first_feature, scan));
    }
  }

  void topk_block(float *z, int64_t n_tokens, int64_t first_feature, int64_t n_features) {
    const SaeScan scan = scan_from(p.encoder, first_feature);
    const int64_t room = candidate_room(p.sizes.k, blocks);
#pragma omp parallel num_threads(device.threads)
    {
      const int64_t thread = thread_number();
#pragma omp for schedule(static)
      for (int64_t t = 0; t < n_tokens; t++)
        keep_largest(t, z + t * n_features, first_feature, n_features, scan, room_ids + thread * room, room_z + thread * room,
                     order + thread * room);
    }
  }

  // The k-th largest of the groups' maxima: k features reach it, so that none below it is among the k largest.
  float bound(const float *z, int64_t n_features, int64_t fold, float *maxima) const {
    const int64_t groups = device.kernels->sae->group_maxima(maxima, z, n_features, fold);
    if (groups < p.sizes.k) return -std::numeric_limits<float>::infinity();
    std::nth_element(maxima, maxima + p.sizes.k - 1, maxima + groups, std::greater<>());
    return maxima[p.sizes.k - 1];
  }

  // Candidates at least as large as the smallest kept join; the k largest stay, rising by id.
  void keep_largest(int64_t t, float *z, int64_t first_feature, int64_t n_features, const SaeScan &scan, int32_t *ids, float *zs,
                    int32_t *ranks) {
    const int64_t k = p.sizes.k;
    device.kernels->sae->affine(z, n_features, scan.scale, scan.bias);
    int64_t count = kept_count[t];
    float floor = -std::numeric_limits<float>::infinity();
    if (count == k)
      floor = *std::min_element(kept_z + t * k, kept_z + t * k + k);
    else if (const int64_t fold = features_of_group(n_features, k); fold > 1)
      floor = bound(z, n_features, fold, zs);
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
    const int64_t k = p.sizes.k;
    for (int64_t t = 0; t < n_tokens; t++) {
      const int64_t row = first_token + t;
      int64_t count = 0;
      for (int64_t i = 0; i < kept_count[t]; i++) {
        if (!(kept_z[t * k + i] > 0.0f)) continue;
        if (count < p.capacity) {
          p.indices[row * p.capacity + count] = kept_ids[t * k + i];
          p.values[row * p.capacity + count] = kept_z[t * k + i];
        }
        count++;
      }
      p.counts[row] = static_cast<int32_t>(count);
    }
  }
};

void check_codes(const SaeCodes &codes) {
  for (int64_t t = 0; t < codes.n_tokens; t++) {
    require(codes.counts[t] >= 0, "counts[", t, "] is negative");
    const int64_t n = std::min<int64_t>(codes.counts[t], codes.capacity);
    for (int64_t j = 0; j < n; j++) {
      const int32_t id = codes.indices[t * codes.capacity + j];
      require(id >= 0 && id < codes.d_sae, "indices of token ", t, " contain ", id, ", d_sae is ", codes.d_sae);
    }
  }
}

void check_classes(const int32_t *token_class, int64_t n_tokens, int64_t n_classes) {
  for (int64_t t = 0; t < n_tokens; t++)
    require(token_class[t] < n_classes, "token_class[", t, "] is ", token_class[t], ", n_classes is ", n_classes);
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

int64_t sae_encode_workspace_bytes(sails_device &device, const SaeEncoderSizes &s) {
  if (encodes_nothing(s)) return 0;
  const CpuDevice &host = cpu(device);
  const Blocks b = encode_blocks(cpu(device), s);
  int64_t bytes = aligned_bytes(4 * b.tokens * b.features) + b.matmul_bytes;
  if (s.activation == SAILS_SAE_TOPK)
    bytes +=
        2 * aligned_bytes(4 * b.tokens * s.k) + 3 * aligned_bytes(4 * host.threads * candidate_room(s.k, b)) + aligned_bytes(4 * b.tokens);
  return bytes;
}

void sae_encode(sails_device &device, const SaeEncode &p, Workspace workspace) {
  CpuDevice &host = cpu(device);
  const SaeEncoderSizes &s = p.sizes;
  const bool topk = s.activation == SAILS_SAE_TOPK;
  std::memset(p.counts, 0, static_cast<size_t>(s.n_tokens) * 4);
  if (encodes_nothing(s)) return;
  const Blocks b = encode_blocks(host, s);
  float *z0 = workspace.take<float>(b.tokens * b.features);
  Encoder encoder{host, p, b};
  if (topk) {
    const int64_t room = host.threads * candidate_room(s.k, b);
    encoder.kept_ids = workspace.take<int32_t>(b.tokens * s.k);
    encoder.kept_z = workspace.take<float>(b.tokens * s.k);
    encoder.room_ids = workspace.take<int32_t>(room);
    encoder.room_z = workspace.take<float>(room);
    encoder.order = workspace.take<int32_t>(room);
    encoder.kept_count = workspace.take<int32_t>(b.tokens);
  }
  for (int64_t t = 0; t < s.n_tokens; t += b.tokens) {
    const int64_t tokens = std::min(b.tokens, s.n_tokens - t);
    if (topk) std::memset(encoder.kept_count, 0, static_cast<size_t>(tokens) * 4);
    for (int64_t f = 0; f < s.d_sae; f += b.features) {
      const int64_t features = std::min(b.features, s.d_sae - f);
      multiply_block(host, z0, s, p.encoder, {t, tokens, f, features}, workspace);
      if (topk)
        encoder.topk_block(z0, tokens, f, features);
      else
        encoder.scan_block(z0, t, tokens, f, features);
    }
    if (topk) encoder.write_topk(t, tokens);
  }
}

int64_t sae_statistics_workspace_bytes(sails_device &device, const SaeEncoderSizes &s) {
  if (encodes_nothing(s)) return 0;
  const Blocks b = encode_blocks(cpu(device), s);
  return aligned_bytes(4 * b.tokens * b.features) + b.matmul_bytes + 2 * aligned_bytes(4 * b.features);
}

// Each thread owns a range of the block's features and goes through the tokens in their order.
void sae_statistics(sails_device &device, const SaeStatistics &p, Workspace workspace) {
  CpuDevice &host = cpu(device);
  const SaeEncoderSizes &s = p.sizes;
  check_classes(p.token_class, s.n_tokens, s.n_classes);
  const Blocks b = encode_blocks(host, s);
  float *z0 = workspace.take<float>(b.tokens * b.features);
  auto *ids = workspace.take<int32_t>(b.features);
  auto *values = workspace.take<float>(b.features);
  for (int64_t first = 0; first < s.n_tokens; first += b.tokens) {
    const int64_t tokens = std::min(b.tokens, s.n_tokens - first);
    for (int64_t f = 0; f < s.d_sae; f += b.features) {
      const int64_t features = std::min(b.features, s.d_sae - f);
      multiply_block(host, z0, s, p.encoder, {first, tokens, f, features}, workspace);
      const int64_t range = (features + host.threads - 1) / host.threads;
#pragma omp parallel for num_threads(host.threads) schedule(static, 1)
      for (int64_t begin = 0; begin < features; begin += range) {
        const int64_t n = std::min(range, features - begin), id = f + begin;
        const SaeScan scan = scan_from(p.encoder, id);
        for (int64_t t = 0; t < tokens; t++) {
          const int32_t c = p.token_class[first + t];
          if (c < 0) continue;
          const double weight = p.token_weight == nullptr ? 1.0 : static_cast<double>(p.token_weight[first + t]);
          const int64_t count = host.kernels->sae->scan(ids + begin, values + begin, 0, n, z0 + t * features + begin, n, id, scan);
          for (int64_t j = begin; j < begin + count; j++) {
            const int64_t cell = c * s.d_sae + ids[j];
            const auto value = static_cast<double>(values[j]);
            p.sum[cell] += weight * value;
            if (p.sum_squares != nullptr) p.sum_squares[cell] += weight * value * value;
            if (p.active != nullptr) p.active[cell] += 1;
          }
        }
      }
    }
  }
}

void sae_encode_backward(sails_device &device, float *dx, const SaeCodes &codes, const void *w_enc, const float *scale, int64_t d_in,
                         int32_t dtype) {
  CpuDevice &host = cpu(device);
  check_codes(codes);
  host.kernels->sae->encode_backward(dx, codes.values, codes.indices, codes.counts, w_enc, scale, codes.n_tokens, d_in, codes.d_sae,
                                     codes.capacity, dtype, host.threads);
}

void sae_decode(sails_device &device, float *recon, const SaeCodes &codes, const void *w_dec, const float *bias, const float *scale,
                int64_t d_in, int32_t dtype) {
  CpuDevice &host = cpu(device);
  check_codes(codes);
  host.kernels->sae->decode(recon, codes.indices, codes.values, codes.counts, w_dec, bias, scale, codes.n_tokens, d_in, codes.capacity,
                            dtype, host.threads);
}

void sae_decode_backward(sails_device &device, float *dvalues, const float *drecon, const SaeCodes &codes, const void *w_dec,
                         const float *scale, int64_t d_in, int32_t dtype) {
  CpuDevice &host = cpu(device);
  check_codes(codes);
  host.kernels->sae->decode_backward(dvalues, drecon, codes.indices, codes.counts, w_dec, scale, codes.n_tokens, d_in, codes.capacity,
                                     dtype, host.threads);
}

void sae_weight_gradient(sails_device &device, float *dw, const float *rows, const SaeCodes &codes, int64_t d_in, bool transposed) {
  CpuDevice &host = cpu(device);
  check_codes(codes);
  host.kernels->sae->weight_gradient(dw, rows, codes.indices, codes.values, codes.counts, codes.n_tokens, d_in, codes.d_sae, codes.capacity,
                                     transposed, host.threads);
}

void sae_densify(sails_device &device, float *acts, const SaeCodes &codes) {
  CpuDevice &host = cpu(device);
  check_codes(codes);
#pragma omp parallel for num_threads(host.threads) schedule(static)
  for (int64_t t = 0; t < codes.n_tokens; t++) {
    float *row = acts + t * codes.d_sae;
    std::memset(row, 0, static_cast<size_t>(codes.d_sae) * 4);
    const int64_t n = std::min<int64_t>(codes.counts[t], codes.capacity);
    for (int64_t j = 0; j < n; j++) row[codes.indices[t * codes.capacity + j]] = codes.values[t * codes.capacity + j];
  }
}

void sae_accumulate(sails_device &, double *sum, double *active, const SaeCodes &codes, const int32_t *token_class,
                    const float *token_weight, int64_t n_classes) {
  check_codes(codes);
  check_classes(token_class, codes.n_tokens, n_classes);
  // The codes are few: one thread in the order of the tokens is exact and fast enough (about 1 ns a code).
  for (int64_t t = 0; t < codes.n_tokens; t++) {
    if (token_class[t] < 0) continue;
    const double weight = token_weight == nullptr ? 1.0 : static_cast<double>(token_weight[t]);
    double *class_sum = sum + token_class[t] * codes.d_sae;
    double *class_active = active == nullptr ? nullptr : active + token_class[t] * codes.d_sae;
    const int64_t count = std::min<int64_t>(codes.counts[t], codes.capacity);
    for (int64_t j = 0; j < count; j++) {
      const int32_t id = codes.indices[t * codes.capacity + j];
      class_sum[id] += weight * static_cast<double>(codes.values[t * codes.capacity + j]);
      if (class_active != nullptr) class_active[id] += 1;
    }
  }
}

}  // namespace backend
}  // namespace sails

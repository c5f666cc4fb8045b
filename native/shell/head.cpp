// Checks of the output matrix and the losses on top of it.
#include "shell/checks.h"

extern "C" {

int32_t sails_softcap_forward(sails_device *device, float *y, const float *x, int64_t n, float cap) {
  return guarded(device, "sails_softcap_forward", [&] {
    elements({n}, "n");
    require(cap > 0, "cap is not positive");
    require_f32(y, n, "y");
    require_f32(x, n, "x");
    backend::softcap_forward(*device, y, x, n, cap);
  });
}

int32_t sails_softcap_backward(sails_device *device, float *dx, const float *dy, const float *y, int64_t n, float cap) {
  return guarded(device, "sails_softcap_backward", [&] {
    elements({n}, "n");
    require(cap > 0, "cap is not positive");
    require_f32(dx, n, "dx");
    require_f32(dy, n, "dy");
    require_f32(y, n, "y");
    backend::softcap_backward(*device, dx, dy, y, n, cap);
  });
}

int32_t sails_cross_entropy(sails_device *device, float *token_loss, float *dlogits, const float *logits, const int32_t *targets,
                            const float *token_weight, int64_t n_tokens, int64_t vocab) {
  return guarded(device, "sails_cross_entropy", [&] {
    const int64_t n = elements({n_tokens, vocab}, "n_tokens, vocab");
    require_f32(token_loss, n_tokens, "token_loss");
    require_f32(logits, n, "logits");
    require_pointer(targets, n_tokens, 4, "targets");
    if (dlogits != nullptr) {
      require_f32(dlogits, n, "dlogits");
      require_f32(token_weight, n_tokens, "token_weight");
    }
    backend::cross_entropy(*device, token_loss, dlogits, logits, targets, token_weight, n_tokens, vocab);
  });
}

int32_t sails_preference_loss(sails_device *device, double *results, float *token_weight, const float *token_loss, const int32_t *targets,
                              const int32_t *starts, const int32_t *ends, const double *reference, int64_t n_pairs, int64_t n_tokens,
                              int32_t kind, double strength, double loss_scale) {
  return guarded(device, "sails_preference_loss", [&] {
    const int64_t n_answers = elements({2, n_pairs}, "n_pairs");
    elements({n_tokens}, "n_tokens");
    require(kind >= SAILS_PREFERENCE_DPO && kind <= SAILS_PREFERENCE_ORPO, "kind is ", kind, ", expected dpo (0), ipo (1) or orpo (2)");
    require(strength > 0, "strength is ", strength, ", expected a positive number");
    require_pointer(results, elements({4, n_pairs}, "n_pairs"), 8, "results");
    if (token_weight != nullptr) require_f32(token_weight, n_tokens, "token_weight");
    require_f32(token_loss, n_tokens, "token_loss");
    require_pointer(targets, n_tokens, 4, "targets");
    require_pointer(starts, n_answers, 4, "starts");
    require_pointer(ends, n_answers, 4, "ends");
    if (kind != SAILS_PREFERENCE_ORPO) require_pointer(reference, n_answers, 8, "reference");
    backend::preference_loss(*device, results, token_weight, token_loss, targets, starts, ends, reference, n_pairs, n_tokens, kind,
                             strength, loss_scale);
  });
}

int32_t sails_head_loss_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_tokens, int64_t d_model, int64_t vocab,
                                        int32_t dtype) {
  return guarded(device, "sails_head_loss_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    elements({n_tokens, d_model}, "n_tokens, d_model");
    elements({vocab, d_model}, "vocab, d_model");
    require_f32_or_bf16(dtype, "hidden");
    *out_bytes = backend::head_loss_workspace_bytes(*device, {n_tokens, d_model, vocab, dtype});
  });
}

int32_t sails_head_loss(sails_device *device, float *token_loss, float *dhidden, float *dembed, const void *hidden, const void *embed,
                        const int32_t *targets, const float *token_weight, int64_t n_tokens, int64_t d_model, int64_t vocab, float softcap,
                        int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_head_loss", [&] {
    const int64_t n = elements({n_tokens, d_model}, "n_tokens, d_model"), n_embed = elements({vocab, d_model}, "vocab, d_model");
    require_f32(token_loss, n_tokens, "token_loss");
    require_tensor(hidden, n, dtype, "hidden");
    require_tensor(embed, n_embed, dtype, "embed");
    require_pointer(targets, n_tokens, 4, "targets");
    require(softcap >= 0, "softcap is negative");
    require(n_tokens == 0 || d_model > 0, "d_model is 0");
    if (dhidden != nullptr) require_f32(dhidden, n, "dhidden");
    if (dembed != nullptr) require_f32(dembed, n_embed, "dembed");
    if (dhidden != nullptr || dembed != nullptr) require_f32(token_weight, n_tokens, "token_weight");
    if (n_tokens == 0) return;
    const HeadLossSizes sizes{.n_tokens = n_tokens, .d_model = d_model, .vocab = vocab, .dtype = dtype};
    require_workspace(workspace, workspace_bytes, backend::head_loss_workspace_bytes(*device, sizes));
    backend::head_loss(*device,
                       {.sizes = sizes,
                        .token_loss = token_loss,
                        .dhidden = dhidden,
                        .dembed = dembed,
                        .hidden = hidden,
                        .embed = embed,
                        .targets = targets,
                        .token_weight = token_weight,
                        .softcap = softcap},
                       {workspace, workspace_bytes});
  });
}

}  // extern "C"

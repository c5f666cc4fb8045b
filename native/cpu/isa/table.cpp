#include "cpu/isa/kernels.h"

#define SAILS_STRING_(x) #x
#define SAILS_STRING(x) SAILS_STRING_(x)

namespace sails::SAILS_ISA {

extern const ElementwiseKernels elementwise_kernels;
extern const GemvKernels gemv_kernels;
extern const MatmulKernels matmul_kernels;
extern const OptimizerKernels optimizer_kernels;
extern const DoraKernels dora_kernels;
extern const LoraRowsKernels lora_rows_kernels;
extern const QuantizedKernels quantized_kernels;
extern const NormKernels norm_kernels;
extern const EmbeddingKernels embedding_kernels;
extern const RopeKernels rope_kernels;
extern const ActivationKernels activation_kernels;
extern const LossKernels loss_kernels;
extern const AttentionKernels attention_kernels;
extern const SaeKernels sae_kernels;

const Kernels &kernels() {
  static const Kernels table = {
      SAILS_STRING(SAILS_ISA), &elementwise_kernels, &gemv_kernels,      &matmul_kernels,    &optimizer_kernels,
      &dora_kernels,           &lora_rows_kernels,   &quantized_kernels, &norm_kernels,      &embedding_kernels,
      &rope_kernels,           &activation_kernels,  &loss_kernels,      &attention_kernels, &sae_kernels,
  };
  return table;
}

}  // namespace sails::SAILS_ISA

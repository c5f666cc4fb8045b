/* Stands in for libcublasLt.so where there is no card: the functions that the engine calls, computing on the host by the definition of the
 * product.
 * It checks what the real library would: that descriptors exist, leading dimensions fit, and pointers are as aligned as was promised.
 * Products with a bf16 result of f32 factors, and sums longer than SAILS_FAKE_CUBLASLT_MOST_K, are among those that it does not know. gcc
 * -shared -fPIC -o libfake_cublaslt.so fake_cublaslt.c */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum { R32F = 0, R16BF = 14 };

struct desc {
  int32_t trans_a, trans_b;
};
struct layout {
  int type;
  uint64_t rows, cols;
  int64_t ld;
};
struct preference {
  uint64_t workspace;
  uint32_t reductions, alignment[4];
};
struct algorithm {
  uint64_t data[8]; /* the alignments of A, B, C, D and the workspace, the size of the last */
};
struct result {
  struct algorithm algorithm;
  size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};

static int made;

int cublasLtCreate(void **handle) {
  *handle = &made;
  return SUCCESS;
}
int cublasLtDestroy(void *handle) { return handle == &made ? SUCCESS : INVALID_VALUE; }
const char *cublasLtGetStatusString(int status) {
  return status == SUCCESS ? "success" : status == NOT_SUPPORTED ? "not supported" : "an invalid value";
}
size_t cublasLtGetVersion(void) { return 130203; }

int cublasLtMatmulDescCreate(void **out, int compute, int scale) {
  *out = calloc(1, sizeof(struct desc));
  return compute == 68 && scale == R32F ? SUCCESS : INVALID_VALUE;
}
int cublasLtMatmulDescSetAttribute(void *desc, int attribute, const void *value, size_t bytes) {
  if (bytes != 4 || (attribute != 3 && attribute != 4)) return INVALID_VALUE;
  memcpy(attribute == 3 ? &((struct desc *)desc)->trans_a : &((struct desc *)desc)->trans_b, value, 4);
  return SUCCESS;
}
int cublasLtMatmulDescDestroy(void *desc) {
  free(desc);
  return SUCCESS;
}
int cublasLtMatrixLayoutCreate(void **out, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  struct layout *made_layout = malloc(sizeof *made_layout);
  *made_layout = (struct layout){type, rows, cols, ld};
  *out = made_layout;
  return (type == R32F || type == R16BF) && rows > 0 && cols > 0 && ld >= (int64_t)rows ? SUCCESS : INVALID_VALUE;
}
int cublasLtMatrixLayoutDestroy(void *layout) {
  free(layout);
  return SUCCESS;
}
int cublasLtMatmulPreferenceCreate(void **out) {
  *out = calloc(1, sizeof(struct preference));
  return SUCCESS;
}
int cublasLtMatmulPreferenceSetAttribute(void *of, int attribute, const void *value, size_t bytes) {
  struct preference *preference = of;
  if (attribute == 1 && bytes == 8)
    memcpy(&preference->workspace, value, 8);
  else if (attribute == 3 && bytes == 4)
    memcpy(&preference->reductions, value, 4);
  else if (attribute >= 5 && attribute <= 8 && bytes == 4)
    memcpy(&preference->alignment[attribute - 5], value, 4);
  else
    return INVALID_VALUE;
  return SUCCESS;
}
int cublasLtMatmulPreferenceDestroy(void *preference) {
  free(preference);
  return SUCCESS;
}

static uint64_t depth(const struct desc *desc, const struct layout *a) { return desc->trans_a ? a->rows : a->cols; }

int cublasLtMatmulAlgoGetHeuristic(void *handle, void *of_desc, void *of_a, void *of_b, void *of_c, void *of_d, void *of_preference,
                                   int wanted, struct result *results, int *found) {
  const struct desc *desc = of_desc;
  const struct layout *a = of_a, *b = of_b, *c = of_c, *d = of_d;
  const struct preference *preference = of_preference;
  const char *most_k = getenv("SAILS_FAKE_CUBLASLT_MOST_K");
  *found = 0;
  if (handle != &made || wanted < 1) return INVALID_VALUE;
  if ((desc->trans_b ? b->cols : b->rows) != depth(desc, a) || a->type != b->type || c->type != d->type) return INVALID_VALUE;
  if ((desc->trans_a ? a->cols : a->rows) != d->rows || (desc->trans_b ? b->rows : b->cols) != d->cols) return INVALID_VALUE;
  if (a->type == R32F && d->type == R16BF) return NOT_SUPPORTED;
  if (most_k != NULL && depth(desc, a) > strtoull(most_k, NULL, 10)) return SUCCESS; /* none found */
  memset(results, 0, sizeof *results);
  for (int i = 0; i < 4; i++) results->algorithm.data[i] = preference->alignment[i];
  results->algorithm.data[4] = 256;
  results->algorithm.data[5] = results->workspace_bytes = preference->workspace;
  *found = preference->reductions == 2;
  return SUCCESS;
}

static float bf16_to_float(uint16_t bits) {
  const uint32_t word = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &word, 4);
  return value;
}
static uint16_t float_to_bf16(float value) {
  uint32_t word;
  memcpy(&word, &value, 4);
  if (value != value) return (uint16_t)(word >> 16 | 64);
  return (uint16_t)((word + 0x7fff + (word >> 16 & 1)) >> 16);
}
static float at(const void *matrix, const struct layout *layout, uint64_t row, uint64_t col) {
  const uint64_t i = row + col * (uint64_t)layout->ld;
  return layout->type == R32F ? ((const float *)matrix)[i] : bf16_to_float(((const uint16_t *)matrix)[i]);
}

int cublasLtMatmul(void *handle, void *of_desc, const void *alpha, const void *a, void *of_a, const void *b, void *of_b, const void *beta,
                   const void *c, void *of_c, void *d, void *of_d, const struct algorithm *algorithm, void *workspace,
                   size_t workspace_bytes, void *stream) {
  const struct desc *desc = of_desc;
  const struct layout *la = of_a, *lb = of_b, *lc = of_c, *ld = of_d;
  const void *pointers[5] = {a, b, c, d, workspace};
  const float scale = *(const float *)alpha, old = *(const float *)beta;
  for (int i = 0; i < 5; i++)
    if (algorithm->data[i] == 0 || (uintptr_t)pointers[i] % algorithm->data[i] != 0) return INVALID_VALUE;
  if (handle != &made || stream != NULL || workspace_bytes < algorithm->data[5]) return INVALID_VALUE;
  memset(workspace, 0xff, workspace_bytes < 4096 ? workspace_bytes : 4096); /* it is the library's to write */
  const uint64_t k = depth(desc, la);
  for (uint64_t col = 0; col < ld->cols; col++)
    for (uint64_t row = 0; row < ld->rows; row++) {
      float sum = 0;
      for (uint64_t i = 0; i < k; i++)
        sum += at(a, la, desc->trans_a ? i : row, desc->trans_a ? row : i) * at(b, lb, desc->trans_b ? col : i, desc->trans_b ? i : col);
      float value = scale * sum;
      if (old != 0) value += old * at(c, lc, row, col);
      const uint64_t to = row + col * (uint64_t)ld->ld;
      if (ld->type == R32F)
        ((float *)d)[to] = value;
      else
        ((uint16_t *)d)[to] = float_to_bf16(value);
    }
  return SUCCESS;
}

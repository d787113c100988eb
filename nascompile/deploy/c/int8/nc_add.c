#include "nc_kernels.h"

/* A sum of two tensors: both raised by 20 bits, at half the larger scale of the two. */
void nc_add(const nc_op *op, int8_t *arena)
{
    const uint32_t n = (uint32_t)op->out_h * op->out_w * op->out_c;
    const int8_t *x = arena + op->x, *y = arena + op->with.other;
    const int8_t *rights = (const int8_t *)(op->scales + 3);
    int8_t *out = arena + op->out;
    for (uint32_t k = 0; k < n; k++) {
        const int32_t a = nc_rescale((x[k] - op->zero) * (1 << 20), op->scales[0], rights[0]);
        const int32_t b = nc_rescale((y[k] - rights[3]) * (1 << 20), op->scales[1], rights[1]);
        out[k] = nc_quantise(op, a + b, op->scales[2], rights[2]);
    }
}

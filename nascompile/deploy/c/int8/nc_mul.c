#include "nc_kernels.h"

/* A gate per channel times a tensor. */
void nc_mul(const nc_op *op, int8_t *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w;
    const int8_t *gates = arena + op->x, *y = arena + op->with.other;
    const int8_t zero = ((const int8_t *)(op->scales + 1))[1];
    int8_t *out = arena + op->out;
    for (uint32_t p = 0; p < pixels; p++)
        for (uint32_t c = 0; c < op->out_c; c++) {
            const int32_t product = (gates[c] - op->zero) * (*y++ - zero);
            *out++ = nc_scaled(op, product, 0, 1);
        }
}

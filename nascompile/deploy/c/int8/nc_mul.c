#include "nc_kernels.h"

/* A gate per channel times a tensor. */
NC_SHARED void nc_mul(const nc_op *op, int8_t *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w;
    const int8_t *gates = arena + op->x, *y = arena + op->with.other;
    const nc_factor factor = nc_factor_at(op, 0, 1);
    const int32_t zero = op->zero, zero_other = op->zero_other, zero_out = op->zero_out, raise = op->raise;
    int8_t *out = arena + op->out;
    for (uint32_t p = 0; p < pixels; p++) {
        const int8_t *gate = gates;
        const int8_t *end = y + op->out_c;
        do {
            const int32_t product = (*gate++ - zero) * (*y++ - zero_other);
            *out++ = (int8_t)nc_saturated(nc_rescale(nc_raised(product, raise), factor) + zero_out);
        } while (y < end);
    }
    nc_clamp(op, arena);
}

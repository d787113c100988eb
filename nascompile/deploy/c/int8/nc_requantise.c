#include "nc_kernels.h"

/* The same values at another scale, clamped; `in_c` channels into each pixel of a tensor of `out_c`, as a concatenation
 * does. */
NC_SHARED void nc_requantise(const nc_op *op, int8_t *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w;
    const int8_t *x = arena + op->x;
    int8_t *out = arena + op->out;
    const nc_factor factor = nc_factor_at(op, 0, 1);
    const int32_t zero = op->zero, zero_out = op->zero_out, raise = op->raise, low = op->low, high = op->high;
    for (uint32_t p = 0; p < pixels; p++) {
        const int8_t *end = x + op->in_c;
        do {
            const int32_t v = nc_rescale(nc_raised(*x++ - zero, raise), factor) + zero_out;
            *out++ = (int8_t)nc_min(nc_max(v, low), high);
        } while (x < end);
        out += op->out_c - op->in_c;
    }
}

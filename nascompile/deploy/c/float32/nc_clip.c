#include "nc_kernels.h"

/* The same values, clamped; `in_c` channels into each pixel of a tensor of `out_c`, as a concatenation does. */
NC_SHARED void nc_clip(const nc_op *op, float *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w;
    const float *x = arena + op->x;
    float *out = arena + op->out;
    for (uint32_t p = 0; p < pixels; p++) {
        for (uint32_t c = 0; c < op->in_c; c++)
            out[c] = nc_clamp(op, *x++);
        out += op->out_c;
    }
}

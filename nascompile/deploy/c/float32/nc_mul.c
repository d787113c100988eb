#include "nc_kernels.h"

/* A gate per channel times a tensor. */
NC_SHARED void nc_mul(const nc_op *op, float *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w;
    const float *gates = arena + op->x, *y = arena + op->other;
    float *out = arena + op->out;
    for (uint32_t p = 0; p < pixels; p++)
        for (uint32_t c = 0; c < op->out_c; c++)
            *out++ = nc_clamp(op, gates[c] * *y++);
}

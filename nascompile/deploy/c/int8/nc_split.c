#include "nc_kernels.h"

/* `out_c` channels of each pixel of a tensor of `in_c`; `x` is where the first of them lies. Not memcpy. */
NC_SHARED NC_OPTIMIZE("no-tree-loop-distribute-patterns") void nc_split(const nc_op *op, int8_t *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w;
    const int8_t *x = arena + op->x;
    int8_t *out = arena + op->out;
    for (uint32_t p = 0; p < pixels; p++) {
        for (uint32_t c = 0; c < op->out_c; c++)
            *out++ = x[c];
        x += op->in_c;
    }
}

#include "nc_kernels.h"

NC_SHARED void nc_hard_swish(const nc_op *op, float *arena)
{
    const uint32_t n = (uint32_t)op->out_h * op->out_w * op->out_c;
    for (uint32_t k = 0; k < n; k++) {
        const float v = arena[op->x + k];
        arena[op->out + k] = v * nc_gate(v);
    }
}

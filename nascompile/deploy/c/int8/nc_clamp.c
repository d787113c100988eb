#include "nc_kernels.h"

NC_SHARED void nc_clamp(const nc_op *op, int8_t *arena)
{
    if (op->low == INT8_MIN && op->high == INT8_MAX)
        return;
    const uint32_t n = (uint32_t)op->out_h * op->out_w * op->out_c;
    int8_t *out = arena + op->out;
    for (uint32_t k = 0; k < n; k++)
        out[k] = (int8_t)nc_min(nc_max(out[k], op->low), op->high);
}

#include "nc_kernels.h"

NC_SHARED void nc_clamp(const nc_op *op, int8_t *arena)
{
    const int32_t low = op->low, high = op->high;
    if (high - low == UINT8_MAX)
        return;
    int8_t *out = arena + op->out;
    for (uint32_t n = (uint32_t)op->out_h * op->out_w * op->out_c; n > 0; n--, out++)
        *out = (int8_t)nc_min(nc_max(*out, low), high);
}

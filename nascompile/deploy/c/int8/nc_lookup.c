#include "nc_kernels.h"

/* A function of one value: a table of all 256. */
void nc_lookup(const nc_op *op, int8_t *arena)
{
    const uint32_t n = (uint32_t)op->out_h * op->out_w * op->out_c;
    for (uint32_t k = 0; k < n; k++)
        arena[op->out + k] = op->with.weights[arena[op->x + k] + 128];
}

#include "nc_kernels.h"

/* A function of one value: a table of all 256. */
NC_SHARED void nc_lookup(const nc_op *op, int8_t *arena)
{
    const int8_t *x = arena + op->x, *table = op->with.weights + 128;
    int8_t *out = arena + op->out, *end = out + (uint32_t)op->out_h * op->out_w * op->out_c;
    do
        *out++ = table[*x++];
    while (out < end);
}

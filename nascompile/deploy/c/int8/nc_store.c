#include "nc_kernels.h"

void nc_store(const nc_op *op, int8_t *out, int32_t first, const int32_t *sums, int32_t count)
{
    const int32_t *multipliers = op->scales + op->out_c;
    const int8_t *rights = (const int8_t *)(multipliers + op->out_c);
    for (; count > 0; count--, first++)
        out[first] = nc_quantise(op, *sums++, multipliers[first], rights[first]);
}

#include "nc_kernels.h"

NC_SHARED void nc_global_avg_pool(const nc_op *op, float *arena)
{
    const uint32_t pixels = (uint32_t)op->in_h * op->in_w;
    for (uint32_t c = 0; c < op->out_c; c++) {
        const float *x = arena + op->x + c;
        float sum = 0;
        for (uint32_t p = 0; p < pixels; p++, x += op->in_c)
            sum += *x;
        arena[op->out + c] = nc_clamp(op, sum / (float)pixels);
    }
}

#include "nc_kernels.h"

NC_SHARED void nc_global_max_pool(const nc_op *op, float *arena)
{
    const uint32_t pixels = (uint32_t)op->in_h * op->in_w;
    for (uint32_t c = 0; c < op->out_c; c++) {
        const float *x = arena + op->x + c;
        float most = *x;
        for (uint32_t p = 0; p < pixels; p++, x += op->in_c)
            most = *x > most ? *x : most;
        arena[op->out + c] = nc_clamp(op, most);
    }
}

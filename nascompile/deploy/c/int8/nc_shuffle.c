#include "nc_kernels.h"

/* The first channel of each group, then the second of each, ... */
NC_SHARED void nc_shuffle(const nc_op *op, int8_t *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w, share = (uint32_t)op->in_c / op->groups;
    const int8_t *x = arena + op->x;
    int8_t *out = arena + op->out;
    for (uint32_t p = 0; p < pixels; p++) {
        for (uint32_t j = 0; j < share; j++)
            for (uint32_t c = j; c < op->in_c; c += share)
                *out++ = x[c];
        x += op->in_c;
    }
}

#include "nc_kernels.h"

/* The mean of what exists of a window. */
static void mean(const nc_op *op, const nc_window *window, float *out)
{
    const int32_t there = nc_max(1, window->rows * window->columns);
    for (int32_t o = 0; o < op->out_c; o++) {
        float sum = 0;
        for (int32_t ky = 0; ky < window->rows; ky++) {
            const float *x = window->x + ky * op->in_w * op->in_c + o;
            for (int32_t kx = window->columns; kx > 0; kx--, x += op->in_c)
                sum += *x;
        }
        out[o] = nc_clamp(op, sum / (float)there);
    }
}

NC_SHARED void nc_avg_pool(const nc_op *op, float *arena) { nc_slide(op, arena, mean); }

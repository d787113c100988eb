#include "nc_kernels.h"

/* The mean of what exists of a window: a factor for each number of elements. */
static void mean(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t there = nc_max(1, window->rows * window->columns);
    for (int32_t o = 0; o < op->out_c; o++) {
        int32_t sum = 0;
        for (int32_t ky = 0; ky < window->rows; ky++) {
            const int8_t *x = window->x + ky * op->in_w * op->in_c + o;
            for (int32_t kx = window->columns; kx > 0; kx--, x += op->in_c)
                sum += *x - op->zero;
        }
        out[o] = nc_scaled(op, sum, (uint32_t)there - 1, (uint32_t)op->kernel_h * op->kernel_w);
    }
}

void nc_avg_pool(const nc_op *op, int8_t *arena) { nc_slide(op, arena, mean); }

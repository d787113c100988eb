#include "nc_kernels.h"

static void largest(const nc_op *op, const nc_window *window, int8_t *out)
{
    for (int32_t o = 0; o < op->out_c; o++) {
        int8_t most = INT8_MIN;
        for (int32_t ky = 0; ky < window->rows; ky++) {
            const int8_t *x = window->x + ky * op->in_w * op->in_c + o;
            for (int32_t kx = window->columns; kx > 0; kx--, x += op->in_c)
                most = *x > most ? *x : most;
        }
        out[o] = most;
    }
}

void nc_max_pool(const nc_op *op, int8_t *arena) { nc_slide(op, arena, largest); }

#include "nc_kernels.h"

#include <float.h>

static void largest(const nc_op *op, const nc_window *window, float *out)
{
    for (int32_t o = 0; o < op->out_c; o++) {
        float most = -FLT_MAX;
        for (int32_t ky = 0; ky < window->rows; ky++) {
            const float *x = window->x + ky * op->in_w * op->in_c + o;
            for (int32_t kx = window->columns; kx > 0; kx--, x += op->in_c)
                most = *x > most ? *x : most;
        }
        out[o] = nc_clamp(op, most);
    }
}

NC_SHARED void nc_max_pool(const nc_op *op, float *arena) { nc_slide(op, arena, largest); }

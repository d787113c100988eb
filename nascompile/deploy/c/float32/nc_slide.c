#include "nc_kernels.h"

NC_SHARED void nc_slide(const nc_op *op, float *arena, void (*body)(const nc_op *op, const nc_window *window, float *out))
{
    float *out = arena + op->out;
    for (int32_t r = 0; r < op->out_h; r++)
        for (int32_t c = 0; c < op->out_w; c++) {
            nc_window window;
            nc_window_at(op, arena, r, c, &window);
            body(op, &window, out);
            out += op->out_c;
        }
}

#include "nc_kernels.h"

NC_SHARED void nc_slide(const nc_op *op, float *arena, void (*body)(const nc_op *op, const nc_window *window, float *out))
{
    const int32_t way = nc_way(op), first_row = way > 0 ? 0 : op->out_h - 1, first_column = way > 0 ? 0 : op->out_w - 1;
    float *out = arena + op->out + (first_row * op->out_w + first_column) * op->out_c;
    for (int32_t r = first_row; (uint32_t)r < op->out_h; r += way)
        for (int32_t c = first_column; (uint32_t)c < op->out_w; c += way) {
            nc_window window;
            nc_window_at(op, arena, r, c, &window);
            body(op, &window, out);
            out += way * op->out_c;
        }
}

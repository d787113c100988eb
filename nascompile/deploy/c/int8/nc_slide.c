#include "nc_kernels.h"

NC_SHARED void nc_slide(const nc_op *op, int8_t *arena, void (*body)(const nc_op *op, const nc_window *window, int8_t *out))
{
    const int32_t way = nc_way(op), step = way * op->out_c;
    const int32_t first_row = way > 0 ? 0 : op->out_h - 1, first_column = way > 0 ? 0 : op->out_w - 1;
    int8_t *out = arena + op->out + (first_row * op->out_w + first_column) * op->out_c;
    int32_t top = first_row * op->stride_h - op->pad_top;
    for (uint32_t r = op->out_h; r > 0; r--, top += way * op->stride_h) {
        const int32_t ky = nc_max(0, -top);
        nc_window window;
        window.rows = nc_max(0, nc_min(op->kernel_h, op->in_h - top) - ky);
        int32_t left = first_column * op->stride_w - op->pad_left;
        for (uint32_t c = op->out_w; c > 0; c--, left += way * op->stride_w) {
            const int32_t kx = nc_max(0, -left);
            window.columns = nc_max(0, nc_min(op->kernel_w, op->in_w - left) - kx);
            window.x = arena + op->x + ((top + ky) * op->in_w + left + kx) * op->in_c;
            body(op, &window, out);
            out += step;
        }
    }
}

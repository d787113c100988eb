#include "nc_kernels.h"

NC_SHARED void nc_slide(const nc_op *op, int8_t *arena, void (*body)(const nc_op *op, const nc_window *window, int8_t *out))
{
    int8_t *out = arena + op->out;
    int32_t top = -op->pad_top;
    for (uint32_t r = op->out_h; r > 0; r--, top += op->stride_h) {
        const int32_t ky = nc_max(0, -top);
        nc_window window;
        window.rows = nc_max(0, nc_min(op->kernel_h, op->in_h - top) - ky);
        int32_t left = -op->pad_left;
        for (uint32_t c = op->out_w; c > 0; c--, left += op->stride_w) {
            const int32_t kx = nc_max(0, -left);
            window.columns = nc_max(0, nc_min(op->kernel_w, op->in_w - left) - kx);
            window.x = arena + op->x + ((top + ky) * op->in_w + left + kx) * op->in_c;
            body(op, &window, out);
            out += op->out_c;
        }
    }
}

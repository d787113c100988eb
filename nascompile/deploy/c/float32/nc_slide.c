#include "nc_kernels.h"

NC_SHARED void nc_slide(const nc_op *op, float *arena, void (*body)(const nc_op *op, const nc_window *window, float *out))
{
    float *out = arena + op->out;
    for (int32_t r = 0; r < op->out_h; r++)
        for (int32_t c = 0; c < op->out_w; c++) {
            const int32_t top = r * op->stride_h - op->pad_top, left = c * op->stride_w - op->pad_left;
            const int32_t ky = nc_max(0, -top), kx = nc_max(0, -left);
            nc_window window;
            window.x = arena + op->x + ((top + ky) * op->in_w + left + kx) * op->in_c;
            window.rows = nc_max(0, nc_min(op->kernel_h, op->in_h - top) - ky);
            window.columns = nc_max(0, nc_min(op->kernel_w, op->in_w - left) - kx);
            window.first = ky * op->kernel_w + kx;
            body(op, &window, out);
            out += op->out_c;
        }
}

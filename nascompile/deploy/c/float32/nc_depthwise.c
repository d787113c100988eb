#include "nc_kernels.h"

/* One filter per channel, four channels at a time; of four or more channels. The last four may have been computed in
 * part before. Weights are [rows][columns][channels]. */
static void depthwise(const nc_op *op, const nc_window *window, float *out)
{
    const int32_t channels = op->out_c;
    for (int32_t o = 0; o < channels; o += 4) {
        o = nc_min(o, channels - 4);
        const float *bias = op->biases + o;
        float a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
        for (int32_t ky = 0; ky < window->rows; ky++) {
            const float *x = window->x + ky * op->in_w * channels + o;
            const float *w = op->weights + (window->first + ky * op->kernel_w) * channels + o;
            for (int32_t kx = window->columns; kx > 0; kx--) {
                a0 += x[0] * w[0];
                a1 += x[1] * w[1];
                a2 += x[2] * w[2];
                a3 += x[3] * w[3];
                x += channels, w += channels;
            }
        }
        out[o] = nc_clamp(op, a0);
        out[o + 1] = nc_clamp(op, a1);
        out[o + 2] = nc_clamp(op, a2);
        out[o + 3] = nc_clamp(op, a3);
    }
}

NC_SHARED void nc_depthwise(const nc_op *op, float *arena) { nc_slide(op, arena, depthwise); }

#include "nc_kernels.h"

/* Add to four sums: n of x times as many weights, in rows that begin `row` apart. */
static NC_NOINLINE void products(const float *x, const float *w, int32_t row, int32_t n, float sums[4])
{
    float a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    const float *w1 = w + row, *w2 = w1 + row, *w3 = w2 + row;
    for (; n > 0; n--) {
        const float v = *x++;
        a += v * *w++;
        b += v * *w1++;
        c += v * *w2++;
        d += v * *w3++;
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* Window row by window row, four output channels at a time; the last four of a group may have been computed in part
 * before, and of a group of fewer each is computed on its own. Of a window that leaves the input only the part inside
 * is summed: what lies outside is zero. Without groups a window row is one run of memory. */
static void conv(const nc_op *op, const nc_window *window, float *out)
{
    const int32_t depth = op->in_c / op->groups, share = op->out_c / op->groups;
    const int32_t size = op->kernel_h * op->kernel_w * depth, many = share >= 4;
    const int32_t runs = op->groups == 1 ? 1 : window->columns, n = op->groups == 1 ? window->columns * depth : depth;
    const float *x = window->x;
    for (int32_t end = share; end <= op->out_c; end += share, x += depth)
        for (int32_t o = end - share; o < end; o += many ? 4 : 1) {
            if (many)
                o = nc_min(o, end - 4);
            float sums[4];
            for (int32_t k = 0; k < 4; k++)
                sums[k] = op->biases[o + many * k];
            for (int32_t ky = 0; ky < window->rows; ky++)
                for (int32_t run = 0; run < runs; run++)
                    products(x + (ky * op->in_w + run) * op->in_c,
                        op->weights + o * size + (window->first + ky * op->kernel_w + run) * depth, many * size, n, sums);
            for (int32_t k = 0; k < (many ? 4 : 1); k++)
                out[o + k] = nc_clamp(op, sums[k]);
        }
}

NC_SHARED void nc_conv(const nc_op *op, float *arena) { nc_slide(op, arena, conv); }

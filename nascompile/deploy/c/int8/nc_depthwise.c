#include "nc_kernels.h"

/* Add to the sums of four channels: n pixels times as many weights, both `step` apart. */
static __attribute__((noinline, optimize("O2"))) void products(
    const int8_t *x, int32_t zero, const int8_t *w, int32_t step, int32_t n, int32_t sums[4])
{
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
#if defined(__ARM_FEATURE_SIMD32)
    const int32_t minus = nc_minus(zero);
#endif
    for (; n > 0; n--) {
#if defined(__ARM_FEATURE_SIMD32)
        const uint32_t u = nc_word(x), v = nc_word(w);
        int32_t pair = nc_even_plus(minus, u), weights = nc_even(v);
        a = __smlabb(pair, weights, a);
        c = __smlatt(pair, weights, c);
        pair = nc_odd_plus(minus, u), weights = nc_odd(v);
        b = __smlabb(pair, weights, b);
        d = __smlatt(pair, weights, d);
#else
        a += (x[0] - zero) * w[0];
        b += (x[1] - zero) * w[1];
        c += (x[2] - zero) * w[2];
        d += (x[3] - zero) * w[3];
#endif
        x += step, w += step;
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* One filter per channel, four channels at a time; of four or more channels. The last four may have been computed in
 * part before. Weights are [rows][columns][channels]. */
static void depthwise(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t channels = op->out_c, columns = window->columns, zero = op->zero;
    const int32_t x_row = op->in_w * channels, w_row = op->kernel_w * channels;
    const int8_t *weights = op->with.weights + window->first * channels;
    for (int32_t o = 0; o < channels; o += 4) {
        o = nc_min(o, channels - 4);
        const int32_t *bias = op->scales + o;
        int32_t sums[4] = {bias[0], bias[1], bias[2], bias[3]};
        const int8_t *x = window->x + o, *w = weights + o;
        for (int32_t ky = window->rows; ky > 0; ky--, x += x_row, w += w_row)
            products(x, zero, w, channels, columns, sums);
        nc_store(op, out, o, sums, 4);
    }
}

void nc_depthwise(const nc_op *op, int8_t *arena) { nc_slide(op, arena, depthwise); }

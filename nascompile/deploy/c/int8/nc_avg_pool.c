#include "nc_kernels.h"

/* The mean of what exists of a window: a factor for each number of elements. */
static inline nc_factor factor_of(const nc_op *op, int32_t elements)
{
    return nc_factor_at(op, (uint32_t)nc_max(1, elements) - 1, (uint32_t)op->kernel_h * op->kernel_w);
}

/* Four channels at a time; the last four may have been computed in part before. With SIMD sums are of 16 bits. */
static void wide(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t channels = op->in_c, elements = window->rows * window->columns, columns = window->columns;
    const int32_t start = -elements * op->zero, gap = (op->in_w - columns) * channels, raise = op->raise;
    const int32_t zero = op->zero_out;
    const nc_factor factor = factor_of(op, elements);
    for (int32_t o = 0; o < channels; o += 4) {
        o = nc_min(o, channels - 4);
        const int8_t *x = window->x + o;
#if defined(__ARM_FEATURE_SIMD32)
        int32_t even = 0, odd = 0;
#endif
        int32_t a = start, b = start, c = start, d = start;
        for (int32_t ky = elements > 0 ? window->rows : 0; ky > 0; ky--, x += gap) {
            int32_t kx = columns;
            do {
#if defined(__ARM_FEATURE_SIMD32)
                const uint32_t four = nc_word(x);
                even = nc_even_plus(even, four), odd = nc_odd_plus(odd, four);
#else
                a += x[0], b += x[1], c += x[2], d += x[3];
#endif
                x += channels;
            } while (--kx);
        }
#if defined(__ARM_FEATURE_SIMD32)
        a += (int16_t)even, b += (int16_t)odd, c += even >> 16, d += odd >> 16;
#endif
        int8_t *to = out + o;
        to[0] = (int8_t)nc_saturated(nc_rescale(nc_raised(a, raise), factor) + zero);
        to[1] = (int8_t)nc_saturated(nc_rescale(nc_raised(b, raise), factor) + zero);
        to[2] = (int8_t)nc_saturated(nc_rescale(nc_raised(c, raise), factor) + zero);
        to[3] = (int8_t)nc_saturated(nc_rescale(nc_raised(d, raise), factor) + zero);
    }
}

/* Of fewer channels than four, and of windows of which a sum may take more bits, each channel on its own. */
static void narrow(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t channels = op->in_c, elements = window->rows * window->columns;
    const nc_factor factor = factor_of(op, elements);
    for (int32_t o = 0; o < channels; o++) {
        int32_t sum = -elements * op->zero;
        const int8_t *x = window->x + o;
        for (int32_t ky = window->rows; ky > 0; ky--, x += (op->in_w - window->columns) * channels)
            for (int32_t kx = window->columns; kx > 0; kx--, x += channels)
                sum += *x;
        out[o] = (int8_t)nc_saturated(nc_rescale(nc_raised(sum, op->raise), factor) + op->zero_out);
    }
}

NC_SHARED void nc_avg_pool(const nc_op *op, int8_t *arena)
{
    nc_slide(op, arena, op->in_c < 4 || op->kernel_h * op->kernel_w > 255 ? narrow : wide);
    nc_clamp(op, arena);
}

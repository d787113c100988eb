#include "nc_kernels.h"

/* The mean of what exists of a window: a factor for each number of elements. */
static inline nc_factor factor_of(const nc_op *op, int32_t elements)
{
    return nc_factor_at(op, (uint32_t)nc_max(1, elements) - 1, (uint32_t)op->kernel_h * op->kernel_w);
}

#if defined(NC_VECTOR)
/* Four channels at a time. */
static NC_OPTIMIZE("O2") void pixel(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t channels = op->in_c, elements = window->rows * window->columns;
    const int32_t gap = (op->in_w - window->columns) * channels;
    const nc_factor factor = factor_of(op, elements);
    const nc_factors by = nc_factors_by(op->raise, factor.multiplier, factor.right);
    for (int32_t c = 0; c < channels; c += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)(channels - c));
        const int8_t *x = window->x + c;
        int32x4_t sums = vdupq_n_s32(-elements * op->zero);
        for (int32_t ky = window->rows; ky > 0; ky--, x += gap)
            for (int32_t kx = window->columns; kx > 0; kx--, x += channels)
                sums = vaddq_s32(sums, vldrbq_z_s32(x, some));
        vstrbq_p_s32(out + c, nc_saturated4(vaddq_n_s32(nc_rescaled(sums, by), op->zero_out)), some);
    }
}
#else
#if defined(__ARM_FEATURE_SIMD32)
/* The sums of four channels of a window that has elements, of 16 bits, two in a word: of channels 0 and 2 in the lower
 * one, of 1 and 3 in the upper one. A function of its own, whose numbers all fit into registers. */
static NC_NOINLINE uint64_t sums_of(
    const int8_t *x, const nc_window *window, int32_t channels, int32_t row)
{
    const int32_t columns = window->columns, gap = row - columns * channels;
    int32_t rows = window->rows, even = 0, odd = 0;
    if (columns == 3) /* most often */
        do {
            const uint32_t first = nc_word(x), second = nc_word(x + channels), third = nc_word(x + 2 * channels);
            even = nc_even_plus(even, first), odd = nc_odd_plus(odd, first);
            even = nc_even_plus(even, second), odd = nc_odd_plus(odd, second);
            even = nc_even_plus(even, third), odd = nc_odd_plus(odd, third);
            x += row;
        } while (--rows);
    else do {
        int32_t kx = columns;
        do {
            const uint32_t four = nc_word(x);
            x += channels;
            even = nc_even_plus(even, four), odd = nc_odd_plus(odd, four);
        } while (--kx);
        x += gap;
    } while (--rows);
    return (uint32_t)even | (uint64_t)(uint32_t)odd << 32;
}
#endif

/* Four channels at a time; the last four may have been computed in part before. */
static void wide(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t channels = op->in_c, elements = window->rows * window->columns, row = op->in_w * channels;
    const int32_t start = -elements * op->zero, raise = op->raise, zero = op->zero_out;
    const nc_factor factor = factor_of(op, elements);
    for (int32_t o = 0; o < channels; o += 4) {
        o = nc_min(o, channels - 4);
        const int8_t *x = window->x + o;
        int32_t a = start, b = start, c = start, d = start;
#if defined(__ARM_FEATURE_SIMD32)
        if (elements) {
            const uint64_t sums = sums_of(x, window, channels, row);
            const int32_t even = (int32_t)(uint32_t)sums, odd = (int32_t)(uint32_t)(sums >> 32);
            a += (int16_t)even, b += (int16_t)odd, c += even >> 16, d += odd >> 16;
        }
#else
        for (int32_t ky = elements ? window->rows : 0; ky > 0; ky--, x += row - window->columns * channels) {
            int32_t kx = window->columns;
            do {
                a += x[0], b += x[1], c += x[2], d += x[3];
                x += channels;
            } while (--kx);
        }
#endif
        int8_t *to = out + o;
        to[0] = (int8_t)nc_requantised(nc_raised(a, raise), &factor, zero);
        to[1] = (int8_t)nc_requantised(nc_raised(b, raise), &factor, zero);
        to[2] = (int8_t)nc_requantised(nc_raised(c, raise), &factor, zero);
        to[3] = (int8_t)nc_requantised(nc_raised(d, raise), &factor, zero);
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
        out[o] = (int8_t)nc_requantised(nc_raised(sum, op->raise), &factor, op->zero_out);
    }
}

#endif

NC_SHARED void nc_avg_pool(const nc_op *op, int8_t *arena)
{
#if defined(NC_VECTOR)
    nc_slide(op, arena, pixel);
#else
    nc_slide(op, arena, op->in_c < 4 || op->kernel_h * op->kernel_w > 255 ? narrow : wide);
#endif
    nc_clamp(op, arena);
}

#include "nc_kernels.h"

#if defined(NC_VECTOR)
/* Four channels at a time. */
NC_SHARED void nc_global_avg_pool(const nc_op *op, int8_t *arena)
{
    const int32_t pixels = (int32_t)op->in_h * op->in_w, channels = op->in_c;
    const nc_factor factor = nc_factor_at(op, 0, 1);
    const nc_factors by = nc_factors_by(op->raise, factor.multiplier, factor.right);
    for (int32_t c = 0; c < channels; c += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)(channels - c));
        const int8_t *x = arena + op->x + c;
        int32x4_t sums = vdupq_n_s32(-pixels * op->zero);
        for (int32_t p = pixels; p > 0; p--, x += channels)
            sums = vaddq_s32(sums, vldrbq_z_s32(x, some));
        vstrbq_p_s32(arena + op->out + c, nc_saturated4(vaddq_n_s32(nc_rescaled(sums, by), op->zero_out)), some);
    }
    nc_clamp(op, arena);
}
#else
/* Four channels at a time, where there are so many; the last four may have been computed in part before. */
NC_SHARED void nc_global_avg_pool(const nc_op *op, int8_t *arena)
{
    const int32_t pixels = (int32_t)op->in_h * op->in_w, channels = op->in_c, count = nc_min(4, channels);
    const int32_t start = -pixels * op->zero;
    const nc_factor factor = nc_factor_at(op, 0, 1);
    int8_t *out = arena + op->out;
    for (int32_t o = 0; o < channels; o += 4) {
        o = nc_min(o, channels - count);
        const int8_t *x = arena + op->x + o;
        int32_t sums[4] = {start, start, start, start}, left = pixels;
#if defined(__ARM_FEATURE_SIMD32)
        if (count == 4) {
            int32_t a = start, b = start, c = start, d = start;
            do {
                const uint32_t four = nc_word(x);
                a = nc_byte_plus(a, four, 0), b = nc_byte_plus(b, four, 8);
                c = nc_byte_plus(c, four, 16), d = nc_byte_plus(d, four, 24);
                x += channels;
            } while (--left);
            sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
        }
#endif
        for (; left > 0; left--, x += channels)
            for (int32_t k = 0; k < count; k++)
                sums[k] += x[k];
        for (int32_t k = 0; k < count; k++)
            out[o + k] = (int8_t)nc_saturated(nc_rescale(nc_raised(sums[k], op->raise), factor) + op->zero_out);
    }
    nc_clamp(op, arena);
}
#endif

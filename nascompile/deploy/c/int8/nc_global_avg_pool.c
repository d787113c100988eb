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
/* Four channels at a time, the last four of which may have been computed in part before; fewer channels one by one. */
NC_SHARED NC_OPTIMIZE("no-move-loop-invariants", "no-guess-branch-probability") void nc_global_avg_pool(
    const nc_op *op, int8_t *arena)
{
    const int32_t pixels = (int32_t)op->in_h * op->in_w, channels = op->in_c, count = channels < 4 ? 1 : 4;
    const nc_factor factor = nc_factor_at(op, 0, 1);
    for (int32_t o = 0; o < channels; o += count) {
        o = nc_min(o, channels - count);
        const int8_t *x = arena + op->x + o;
        int8_t *out = arena + op->out + o;
        int32_t sums[4], left = pixels;
        sums[0] = sums[1] = sums[2] = sums[3] = -pixels * op->zero;
        do {
#if defined(__ARM_FEATURE_SIMD32)
            /* Of one channel the other three sums are never read. */
            const uint32_t four = count > 1 ? nc_word(x) : (uint8_t)*x;
            sums[0] = nc_byte_plus(sums[0], four, 0), sums[1] = nc_byte_plus(sums[1], four, 8);
            sums[2] = nc_byte_plus(sums[2], four, 16), sums[3] = nc_byte_plus(sums[3], four, 24);
#else
            for (int32_t k = 0; k < count; k++)
                sums[k] += x[k];
#endif
            x += channels;
        } while (--left);
        for (int32_t k = 0; k < count; k++)
            out[k] = (int8_t)nc_requantised(nc_raised(sums[k], op->raise), &factor, op->zero_out);
    }
    nc_clamp(op, arena);
}
#endif

#include "nc_kernels.h"

/* The same values at another scale, clamped; `in_c` channels into each pixel of a tensor of `out_c`, as a concatenation
 * does. */
NC_SHARED void nc_requantise(const nc_op *op, int8_t *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w;
    const int8_t *x = arena + op->x;
    int8_t *out = arena + op->out;
    const nc_factor factor = nc_factor_at(op, 0, 1);
    const int32_t zero = op->zero, zero_out = op->zero_out, raise = op->raise, low = op->low, high = op->high;
#if defined(NC_VECTOR)
    const nc_factors by = nc_factors_by(raise, factor.multiplier, factor.right);
    const int32x4_t least = vdupq_n_s32(low), most = vdupq_n_s32(high);
    for (uint32_t p = 0; p < pixels; p++, x += op->in_c, out += op->out_c)
        for (int32_t k = 0; k < op->in_c; k += 4) {
            const mve_pred16_t some = vctp32q((uint32_t)(op->in_c - k));
            const int32x4_t v = nc_rescaled(vsubq_n_s32(vldrbq_z_s32(x + k, some), zero), by);
            vstrbq_p_s32(out + k, vminq_s32(vmaxq_s32(vaddq_n_s32(v, zero_out), least), most), some);
        }
#else
    for (uint32_t p = 0; p < pixels; p++) {
        const int8_t *end = x + op->in_c;
        do {
            const int32_t v = nc_rescale(nc_raised(*x++ - zero, raise), &factor) + zero_out;
            *out++ = (int8_t)nc_min(nc_max(v, low), high);
        } while (x < end);
        out += op->out_c - op->in_c;
    }
#endif
}

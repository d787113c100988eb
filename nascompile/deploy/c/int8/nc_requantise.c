#include "nc_kernels.h"

/* The same values at another scale, clamped; `in_c` channels into each pixel of a tensor of `out_c`, as a concatenation
 * does. */
NC_SHARED NC_OPTIMIZE("O2") void nc_requantise(const nc_op *op, int8_t *arena)
{
    uint32_t pixels = (uint32_t)op->out_h * op->out_w;
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
    const int32_t minus = nc_raised(-zero, raise);
    int32_t count = op->in_c;
    if (count == op->out_c) /* all pixels at once */
        count *= (int32_t)pixels, pixels = 1;
    for (; pixels > 0; pixels--, out += op->out_c - op->in_c) {
        const int8_t *const end = x + count;
        int8_t *clamped = out;
        do
            *out++ = (int8_t)nc_requantised(nc_raised(*x++, raise) + minus, &factor, zero_out);
        while (x != end);
        if (high - low != UINT8_MAX)
            for (; clamped != out; clamped++)
                *clamped = (int8_t)nc_min(nc_max(*clamped, low), high);
    }
#endif
}

#include "nc_kernels.h"

/* A gate per channel times a tensor. */
NC_SHARED NC_OPTIMIZE("O2") void nc_mul(const nc_op *op, int8_t *arena)
{
    const uint32_t pixels = (uint32_t)op->out_h * op->out_w;
    const int8_t *gates = arena + op->x, *y = arena + op->with.other;
    const nc_factor factor = nc_factor_at(op, 0, 1);
    const int32_t zero = op->zero, zero_other = op->zero_other, zero_out = op->zero_out, raise = op->raise;
    int8_t *out = arena + op->out;
#if defined(NC_VECTOR)
    const nc_factors by = nc_factors_by(raise, factor.multiplier, factor.right);
    for (uint32_t p = 0; p < pixels; p++) {
        const int8_t *gate = gates;
        for (int32_t left = op->out_c; left > 0; left -= 4, gate += 4) {
            const mve_pred16_t some = vctp32q((uint32_t)left);
            const int32x4_t v = vsubq_n_s32(vldrbq_z_s32(gate, some), zero);
            const int32x4_t w = vsubq_n_s32(vldrbq_z_s32(y, some), zero_other);
            vstrbq_p_s32(out, nc_saturated4(vaddq_n_s32(nc_rescaled(vmulq_s32(v, w), by), zero_out)), some);
            y += nc_min(left, 4), out += nc_min(left, 4);
        }
    }
#else
    for (uint32_t p = 0; p < pixels; p++) {
        const int8_t *gate = gates;
        const int8_t *end = y + op->out_c;
        do {
            const int32_t product = (*gate++ - zero) * (*y++ - zero_other);
            *out++ = (int8_t)nc_requantised(nc_raised(product, raise), &factor, zero_out);
        } while (y != end);
    }
#endif
    nc_clamp(op, arena);
}

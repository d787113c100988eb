#include "nc_kernels.h"

/* A sum of two tensors: both raised by 20 bits, at half the larger scale of the two. The scale of x is the larger one,
 * so that its factor is a half, the other's the first of two. */
NC_SHARED NC_OPTIMIZE("O2") void nc_add(const nc_op *op, int8_t *arena)
{
    const int8_t *x = arena + op->x, *y = arena + op->with.other;
    int8_t *out = arena + op->out, *end = out + (uint32_t)op->out_h * op->out_w * op->out_c;
    const nc_factor other = nc_factor_at(op, 0, 2), sum = nc_factor_at(op, 1, 2);
    const int32_t minus = nc_raised(-op->zero, 22), minus_other = nc_raised(-op->zero_other, 22);
    const int32_t zero_out = op->zero_out;
#if defined(NC_VECTOR)
    const nc_factors by = nc_factors_by(0, sum.multiplier, sum.right);
    const nc_factors by_other = nc_factors_by(0, other.multiplier, other.right);
    for (int32_t left = (int32_t)(end - out); left > 0; left -= 4, x += 4, y += 4, out += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)left);
        int32x4_t v = vaddq_n_s32(vshlq_n_s32(vldrbq_z_s32(y, some), 22), minus_other);
        v = vaddq_s32(nc_product(v, by_other), vshlq_n_s32(vldrbq_z_s32(x, some), 19));
        v = nc_product(vaddq_n_s32(vshlq_n_s32(v, 3), minus), by);
        vstrbq_p_s32(out, nc_saturated4(vaddq_n_s32(v, zero_out)), some);
    }
#else
    do {
        const int32_t v = nc_rescale(nc_raised(*y++, 22) + minus_other, &other) + nc_raised(*x++, 19);
        *out++ = (int8_t)nc_requantised(nc_raised(v, 3) + minus, &sum, zero_out);
    } while (out != end);
#endif
    nc_clamp(op, arena);
}

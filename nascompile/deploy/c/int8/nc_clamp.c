#include "nc_kernels.h"

NC_SHARED void nc_clamp(const nc_op *op, int8_t *arena)
{
    const int32_t low = op->low, high = op->high;
    if (high - low == UINT8_MAX)
        return;
    int8_t *out = arena + op->out;
#if defined(NC_VECTOR)
    const int8x16_t least = vdupq_n_s8(op->low), most = vdupq_n_s8(op->high);
    for (int32_t n = (int32_t)((uint32_t)op->out_h * op->out_w * op->out_c); n > 0; n -= 16, out += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)n);
        vstrbq_p_s8(out, vminq_s8(vmaxq_s8(vldrbq_z_s8(out, some), least), most), some);
    }
#else
    for (uint32_t n = (uint32_t)op->out_h * op->out_w * op->out_c; n > 0; n--, out++)
        *out = (int8_t)nc_min(nc_max(*out, low), high);
#endif
}

#include "nc_kernels.h"

NC_SHARED void nc_global_max_pool(const nc_op *op, int8_t *arena)
{
    const uint32_t pixels = (uint32_t)op->in_h * op->in_w;
#if defined(NC_VECTOR)
    for (uint32_t c = 0; c < op->out_c; c += 16) {
        const mve_pred16_t some = vctp8q(op->out_c - c);
        const int8_t *x = arena + op->x + c;
        int8x16_t most = vdupq_n_s8(INT8_MIN);
        for (uint32_t p = pixels; p > 0; p--, x += op->in_c)
            most = vmaxq_s8(most, vldrbq_z_s8(x, some));
        vstrbq_p_s8(arena + op->out + c, most, some);
    }
#else
    for (uint32_t c = 0; c < op->out_c; c++) {
        const int8_t *x = arena + op->x + c;
        int8_t most = *x;
        for (uint32_t p = 0; p < pixels; p++, x += op->in_c)
            most = *x > most ? *x : most;
        arena[op->out + c] = most;
    }
#endif
}

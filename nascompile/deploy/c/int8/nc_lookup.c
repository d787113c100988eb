#include "nc_kernels.h"

/* A function of one value: a table of all 256, by their bits: first those from zero on, then the negative ones. */
NC_SHARED void nc_lookup(const nc_op *op, int8_t *arena)
{
    const int8_t *x = arena + op->x, *table = op->with.weights;
    int8_t *out = arena + op->out, *end = out + (uint32_t)op->out_h * op->out_w * op->out_c;
#if defined(NC_VECTOR)
    for (int32_t left = (int32_t)(end - out); left > 0; left -= 16, x += 16, out += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)left);
        const uint8x16_t at = vreinterpretq_u8_s8(vldrbq_z_s8(x, some));
        vstrbq_p_s8(out, vldrbq_gather_offset_z_s8(table, at, some), some);
    }
#else
    do
        *out++ = table[(uint8_t)*x++];
    while (out != end);
#endif
}

#include "nc_kernels.h"

#if defined(NC_VECTOR)
/* 16 channels at a time. The largest of nothing is the least. */
static NC_OPTIMIZE("O2") void pixel(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t channels = op->in_c, gap = (op->in_w - window->columns) * channels;
    for (int32_t c = 0; c < channels; c += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)(channels - c));
        const int8_t *x = window->x + c;
        int8x16_t most = vdupq_n_s8(INT8_MIN);
        for (int32_t ky = window->rows; ky > 0; ky--, x += gap)
            for (int32_t kx = window->columns; kx > 0; kx--, x += channels)
                most = vmaxq_s8(most, vldrbq_z_s8(x, some));
        vstrbq_p_s8(out + c, most, some);
    }
}

NC_SHARED void nc_max_pool(const nc_op *op, int8_t *arena) { nc_slide(op, arena, pixel); }
#else
/* Four channels at a time; the last four may have been computed in part before. The largest of nothing is the least. */
static void wide(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t channels = op->in_c, gap = (op->in_w - window->columns) * channels;
    for (int32_t o = 0; o < channels; o += 4) {
        o = nc_min(o, channels - 4);
        const int8_t *x = window->x + o;
#if defined(__ARM_FEATURE_SIMD32)
        uint32_t most = 0x80808080u;
#else
        int32_t a = INT8_MIN, b = a, c = a, d = a;
#endif
        for (int32_t ky = window->columns > 0 ? window->rows : 0; ky > 0; ky--, x += gap) {
            int32_t kx = window->columns;
            do {
#if defined(__ARM_FEATURE_SIMD32)
                const uint32_t four = nc_word(x);
                (void)__ssub8((int8x4_t)four, (int8x4_t)most); /* marks the bytes in which x is larger */
                most = __sel(four, most);
#else
                a = nc_max(a, x[0]), b = nc_max(b, x[1]), c = nc_max(c, x[2]), d = nc_max(d, x[3]);
#endif
                x += channels;
            } while (--kx);
        }
#if defined(__ARM_FEATURE_SIMD32)
        memcpy(out + o, &most, 4);
#else
        out[o] = (int8_t)a, out[o + 1] = (int8_t)b, out[o + 2] = (int8_t)c, out[o + 3] = (int8_t)d;
#endif
    }
}

/* Of fewer channels than four each on its own. */
static void narrow(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t channels = op->in_c;
    for (int32_t o = 0; o < channels; o++) {
        const int8_t *x = window->x + o;
        int32_t most = INT8_MIN;
        for (int32_t ky = window->rows; ky > 0; ky--, x += (op->in_w - window->columns) * channels)
            for (int32_t kx = window->columns; kx > 0; kx--, x += channels)
                most = nc_max(most, *x);
        out[o] = (int8_t)most;
    }
}

NC_SHARED void nc_max_pool(const nc_op *op, int8_t *arena) { nc_slide(op, arena, op->in_c < 4 ? narrow : wide); }
#endif

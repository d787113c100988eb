#include "nc_kernels.h"

#if defined(NC_VECTOR)
/* Four outputs of n inputs, a multiple of four; the rows of weights are as long, zero behind the last input. */
static NC_NOINLINE NC_OPTIMIZE("O2") int32x4_t products(const int8_t *x, int32_t n, const int8_t *w, int32_t left)
{
    const int8_t *w1 = w + (left > 1 ? n : 0), *w2 = w1 + (left > 2 ? n : 0), *w3 = w2 + (left > 3 ? n : 0);
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int32_t k = n >> 4; k > 0; k--, x += 16, w += 16, w1 += 16, w2 += 16, w3 += 16) {
        const int8x16_t v = vldrbq_s8(x);
        a = vmladavaq_s8(a, v, vldrbq_s8(w)), b = vmladavaq_s8(b, v, vldrbq_s8(w1));
        c = vmladavaq_s8(c, v, vldrbq_s8(w2)), d = vmladavaq_s8(d, v, vldrbq_s8(w3));
    }
    if (n & 15) {
        const mve_pred16_t some = vctp8q((uint32_t)n & 15);
        const int8x16_t v = vldrbq_z_s8(x, some);
        a = vmladavaq_s8(a, v, vldrbq_z_s8(w, some)), b = vmladavaq_s8(b, v, vldrbq_z_s8(w1, some));
        c = vmladavaq_s8(c, v, vldrbq_z_s8(w2, some)), d = vmladavaq_s8(d, v, vldrbq_z_s8(w3, some));
    }
    return nc_lanes(a, b, c, d);
}

NC_SHARED void nc_linear(const nc_op *op, int8_t *arena)
{
    const int32_t n = (op->in_h * op->in_w * op->in_c + 3) & ~3, channels = op->out_c;
    for (int32_t c = 0; c < channels; c += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)(channels - c));
        const int32_t *scales = op->scales + c;
        const int32x4_t sums = products(arena + op->x, n, op->with.weights + c * n, channels - c);
        const nc_factors by = nc_factors_of(
            scales + channels, (const int8_t *)(op->scales + 2 * channels) + c, some);
        const int32x4_t v = nc_rescaled(vaddq_s32(sums, vldrwq_z_s32(scales, some)), by);
        vstrbq_p_s32(arena + op->out + c, nc_saturated4(vaddq_n_s32(v, op->zero_out)), some);
    }
    nc_clamp(op, arena);
}
#else
/* The sums of four outputs, of n inputs, a multiple of four: the rows of weights are as long, zero behind the last input.
 * Of `left` outputs that are fewer the last one stands for those that are not there. A function of its own, whose numbers
 * all fit into registers. */
static NC_NOINLINE NC_OPTIMIZE("no-schedule-insns", "no-schedule-insns2") void products(
    const int8_t *x, const int8_t *w, int32_t n, int32_t left, int32_t sums[4])
{
    const int8_t *const w1 = left > 1 ? w + n : w, *const w2 = left > 2 ? w1 + n : w1, *const w3 = left > 3 ? w2 + n : w2;
#if defined(__ARM_FEATURE_SIMD32)
    int32_t a = 0, b = 0, c = 0, d = 0;
    n -= 4;
    do {
        uint32_t word = nc_word(NC_WORDS(x + n));
        const int32_t even = nc_even(word), odd = nc_odd(word);
        word = nc_word(NC_WORDS(w + n)), nc_dual(&a, even, nc_even(word)), nc_dual(&a, odd, nc_odd(word));
        word = nc_word(NC_WORDS(w1 + n)), nc_dual(&b, even, nc_even(word)), nc_dual(&b, odd, nc_odd(word));
        word = nc_word(NC_WORDS(w2 + n)), nc_dual(&c, even, nc_even(word)), nc_dual(&c, odd, nc_odd(word));
        word = nc_word(NC_WORDS(w3 + n)), nc_dual(&d, even, nc_even(word)), nc_dual(&d, odd, nc_odd(word));
    } while ((n -= 4) >= 0);
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
#else
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    nc_four(sums, w, w1, w2, w3, x, 1, n);
#endif
}

NC_SHARED NC_OPTIMIZE("no-move-loop-invariants", "no-schedule-insns2") void nc_linear(const nc_op *op, int8_t *arena)
{
    const int32_t n = (op->in_h * op->in_w * op->in_c + 3) & ~3, channels = op->out_c;
    const int32_t *scale = op->scales, *const end = scale + channels;
    const int8_t *rights = (const int8_t *)(end + channels), *w = op->with.weights;
    int8_t *out = arena + op->out;
    for (; scale != end; w += 4 * n) {
        int32_t sums[4], *from = sums;
        products(arena + op->x, w, n, end - scale, sums);
        do {
            const int32_t shift = *rights++, right = nc_max(1, shift);
            const nc_factor factor = nc_factor_of(scale[channels], right);
            const int32_t sum = nc_raised(*from++ + *scale++, right - shift);
            *out++ = (int8_t)nc_requantised(sum, &factor, op->zero_out);
        } while (from != sums + 4 && scale != end);
    }
    nc_clamp(op, arena);
}
#endif

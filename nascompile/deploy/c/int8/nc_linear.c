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
/* An output of a sum without its bias. */
static NC_NOINLINE void stored(const nc_op *op, int8_t *arena, int32_t channel, int32_t sum)
{
    const int32_t *scale = op->scales + channel, channels = op->out_c;
    const int32_t shift = ((const int8_t *)(op->scales + 2 * channels))[channel], right = nc_max(1, shift);
    const nc_factor factor = nc_factor_of(scale[channels], right);
    sum = nc_rescale(nc_raised(sum + scale[0], right - shift), &factor) + op->zero_out;
    arena[op->out + (uint32_t)channel] = (int8_t)nc_saturated(sum);
}

#if defined(__ARM_FEATURE_SIMD32)
/* The products of two rows of weights, in the lower and in the upper half; a function of its own, whose numbers all fit
 * into registers. */
static NC_NOINLINE uint64_t products(const int8_t *x, const int8_t *end, const int8_t *v, const int8_t *w)
{
    int32_t a = 0, b = 0;
    do {
        uint32_t word = nc_word(NC_WORDS(x));
        const int32_t even = nc_even(word), odd = nc_odd(word);
        x += 4;
        word = nc_word(NC_WORDS(v)), v += 4;
        nc_dual(&a, even, nc_even(word)), nc_dual(&a, odd, nc_odd(word));
        word = nc_word(NC_WORDS(w)), w += 4;
        nc_dual(&b, even, nc_even(word)), nc_dual(&b, odd, nc_odd(word));
    } while (x < end);
    return (uint32_t)a | (uint64_t)(uint32_t)b << 32;
}
#endif

/* An output of all n inputs, a multiple of four; the rows of weights are as long, zero behind the last input. Two or four
 * at a time, the last one also in place of those that are left over. Not memset, which would take 160 bytes. */
NC_SHARED NC_OPTIMIZE("no-tree-loop-distribute-patterns") void nc_linear(const nc_op *op, int8_t *arena)
{
    const int32_t n = (op->in_h * op->in_w * op->in_c + 3) & ~3, last = op->out_c - 1;
    const int8_t *const x = arena + op->x;
#if defined(__ARM_FEATURE_SIMD32)
    for (int32_t o = 0; o <= last; o += 2) {
        const int32_t other = nc_min(o + 1, last);
        const int8_t *weights = op->with.weights;
        const uint64_t both = products(x, x + n, weights + o * n, weights + other * n);
        stored(op, arena, o, (int32_t)(uint32_t)both);
        stored(op, arena, other, (int32_t)(uint32_t)(both >> 32));
    }
#else
    for (int32_t o = 0; o <= last; o += 4) {
        const int8_t *w[4];
        int32_t sums[4];
        for (int32_t k = 0; k < 4; k++)
            w[k] = op->with.weights + nc_min(o + k, last) * n, sums[k] = 0;
        nc_four(sums, w[0], w[1], w[2], w[3], x, 1, n);
        for (int32_t k = 0; k < 4; k++)
            stored(op, arena, nc_min(o + k, last), sums[k]);
    }
#endif
    nc_clamp(op, arena);
}
#endif

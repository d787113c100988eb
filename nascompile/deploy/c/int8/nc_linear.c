#include "nc_kernels.h"

/* Four outputs of n inputs, a multiple of four; the rows of weights are as long, zero behind the last input. */
static NC_NOINLINE void products(const int8_t *x, const int8_t *const w[4], int32_t n, int32_t sums[4])
{
#if defined(__ARM_FEATURE_SIMD32)
    const int8_t *w0 = w[0], *w1 = w[1], *w2 = w[2], *w3 = w[3], *end = x + n;
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    do {
        uint32_t word = nc_word(NC_WORDS(x));
        const int32_t even = nc_even(word), odd = nc_odd(word);
        x += 4;
        word = nc_word(NC_WORDS(w0)), w0 += 4;
        nc_dual(&a, even, nc_even(word)), nc_dual(&a, odd, nc_odd(word));
        word = nc_word(NC_WORDS(w1)), w1 += 4;
        nc_dual(&b, even, nc_even(word)), nc_dual(&b, odd, nc_odd(word));
        word = nc_word(NC_WORDS(w2)), w2 += 4;
        nc_dual(&c, even, nc_even(word)), nc_dual(&c, odd, nc_odd(word));
        word = nc_word(NC_WORDS(w3)), w3 += 4;
        nc_dual(&d, even, nc_even(word)), nc_dual(&d, odd, nc_odd(word));
    } while (x < end);
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
#else
    nc_four(sums, w[0], w[1], w[2], w[3], x, 1, n);
#endif
}

/* An output of all inputs, four at a time; the last one also in place of those that are left over. */
NC_SHARED void nc_linear(const nc_op *op, int8_t *arena)
{
    const int32_t n = (op->in_h * op->in_w * op->in_c + 3) & ~3, channels = op->out_c;
    const int8_t *w[4];
    int32_t sums[4];
    for (int32_t o = 0; o < channels + 3; o++) {
        const int32_t channel = nc_min(o, channels - 1);
        w[o & 3] = op->with.weights + channel * n, sums[o & 3] = op->scales[channel];
        if ((o & 3) < 3)
            continue;
        products(arena + op->x, w, n, sums);
        for (int32_t k = 0; k < 4; k++) {
            const int32_t c = nc_min(o - 3 + k, channels - 1), *multiplier = op->scales + channels + c;
            const int32_t shift = ((const int8_t *)(op->scales + 2 * channels))[c], right = nc_max(1, shift);
            const int32_t v = nc_rescale(nc_raised(sums[k], right - shift), nc_factor_of(*multiplier, right));
            arena[op->out + (uint32_t)c] = (int8_t)nc_saturated(v + op->zero_out);
        }
    }
    nc_clamp(op, arena);
}

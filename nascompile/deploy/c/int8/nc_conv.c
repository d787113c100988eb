#include "nc_kernels.h"

/* The windows of four output pixels are laid out beside each other, then all output channels are computed from them, two
 * at a time, whose weights lie in turn: a0 b0 a1 b1 ... A window has `size` elements, a multiple of four; the weights
 * behind its last one are zero, whatever lies there.
 *
 * With SIMD a window is pairs of int16, and those of the four pixels lie in turn, a word each: so one word of weights
 * serves eight products. Else those of two pixels lie in turn, in int8. */
#if defined(__ARM_FEATURE_SIMD32)
typedef int16_t lane;

/* From an element of a window to the next one. */
static inline lane *after(lane *to) { return to + ((uintptr_t)to & 2 ? 7 : 1); }

static inline lane *start(lane *lanes, int32_t pixel, int32_t size)
{
    (void)size;
    return lanes + 2 * pixel;
}

static inline void pair(lane *to, int32_t value) { memcpy(NC_WORDS(to), &value, 4); }

static lane *copied(lane *to, const int8_t *x, int32_t n)
{
    if ((uintptr_t)to & 2) {
        *to = *x++;
        to += 7, n--;
    }
    for (; n >= 4; n -= 4, x += 4, to += 16) {
        const uint32_t word = nc_word(x);
        const int32_t even = nc_even(word), odd = nc_odd(word);
        pair(to, nc_lower(even, odd));
        pair(to + 8, nc_upper(even, odd));
    }
    for (; n > 0; n--, to = after(to))
        *to = *x++;
    return to;
}
#else
typedef int8_t lane;

static inline lane *after(lane *to) { return to + 2; }

static inline lane *start(lane *lanes, int32_t pixel, int32_t size)
{
    return lanes + (pixel & 1) + (pixel & 2) * size;
}

static lane *copied(lane *to, const int8_t *x, int32_t n)
{
    for (; n > 0; n--, to = after(to))
        *to = *x++;
    return to;
}
#endif

/* One group of a convolution. */
typedef struct {
    const nc_op *op;
    const int8_t *x;
    lane *lanes;
    int32_t depth, share, size;
    const int32_t *biases, *multipliers;
    const int8_t *rights;
    int32_t zero;
    /* From the first of four pixels to the others; what is left over at the end lies on the last one. */
    int32_t to[3];
} group;

/* Lay out a window: row by row in one go where it can be, else place by place; outside of the input stands zero. */
static void window(const group *g, int32_t top, int32_t left, lane *to)
{
    const nc_op *op = g->op;
    const int32_t columns = op->kernel_w, channels = op->in_c, depth = g->depth, row = op->in_w * channels;
    const int together = depth == channels && left >= 0 && left + columns <= op->in_w;
    const int8_t *x = g->x + top * row + left * channels;
    for (int32_t ky = op->kernel_h; ky > 0; ky--, top++, x += row) {
        const int there = (uint32_t)top < op->in_h;
        if (there && together) {
            to = copied(to, x, columns * depth);
            continue;
        }
        const int8_t *from = x;
        for (int32_t kx = 0; kx < columns; kx++, from += channels)
            if (there && (uint32_t)(left + kx) < op->in_w)
                to = copied(to, from, depth);
            else
                for (int32_t k = depth; k > 0; k--, to = after(to))
                    *to = (lane)op->zero;
    }
}

/* The outputs of a channel, the last one first: so what lies on another one is covered by it. */
static NC_INLINE void stored(
    const group *g, int32_t channel, int8_t *out, int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32_t right = g->rights[channel];
    if (right < 1) {
        const int32_t raise = 1 - right;
        a = nc_raised(a, raise), b = nc_raised(b, raise);
        c = nc_raised(c, raise), d = nc_raised(d, raise);
        right = 1;
    }
    const nc_factor factor = nc_factor_of(g->multipliers[channel], right);
    const int32_t zero = g->zero, first = g->to[0], second = g->to[1], third = g->to[2];
    out[third] = (int8_t)nc_saturated(nc_rescale(d, factor) + zero);
    out[second] = (int8_t)nc_saturated(nc_rescale(c, factor) + zero);
    out[first] = (int8_t)nc_saturated(nc_rescale(b, factor) + zero);
    out[0] = (int8_t)nc_saturated(nc_rescale(a, factor) + zero);
}

/* Two channels of four pixels; the second one, written before the first, may lie on it. */
static NC_NOINLINE NC_OPTIMIZE("O2", "no-schedule-insns", "no-schedule-insns2") void pair_of_channels(
    const group *g, int32_t channel, const int8_t *w, int8_t *out, int32_t second)
{
    const int32_t *bias = g->biases + channel;
#if defined(__ARM_FEATURE_SIMD32)
    int32_t a0 = bias[0], a1 = a0, a2 = a0, a3 = a0, b0 = bias[1], b1 = b0, b2 = b0, b3 = b0;
    const nc_pair *x = NC_WORDS(g->lanes), *end = x + 2 * g->size;
    do {
#if defined(__GNUC__)
#pragma GCC unroll 2
#endif
        for (int32_t k = 0; k < 2; k++) {
            const uint32_t word = nc_word(NC_WORDS(w));
            const int32_t a = nc_even(word), b = nc_odd(word);
            int32_t u, v;
            w += 4;
            x = nc_two(x, &u, &v);
            nc_dual(&a0, u, a), nc_dual(&b0, u, b), nc_dual(&a1, v, a), nc_dual(&b1, v, b);
            x = nc_two(x, &u, &v);
            nc_dual(&a2, u, a), nc_dual(&b2, u, b), nc_dual(&a3, v, a), nc_dual(&b3, v, b);
        }
    } while (x != end);
    stored(g, channel + 1, out + second, b0, b1, b2, b3);
    stored(g, channel, out, a0, a1, a2, a3);
#else
    for (int32_t k = 1; k >= 0; k--) {
        /* Elements of a window are as far apart as weights of a channel. */
        const lane *x = g->lanes, *y = x + 2 * g->size;
        int32_t sums[4] = {bias[k], bias[k], bias[k], bias[k]};
        nc_four(sums, x, x + 1, y, y + 1, w + k, 2, 2 * g->size);
        stored(g, channel + k, out + (k ? second : 0), sums[0], sums[1], sums[2], sums[3]);
    }
#endif
}

/* All channels of the group, of `count` pixels. */
static void pixels(group *g, int32_t channel, const int8_t *w, int8_t *out, int32_t count)
{
    const int32_t step = g->op->out_c;
    for (int32_t k = 0; k < 3; k++)
        g->to[k] = nc_min(k + 1, count - 1) * step;
    for (int32_t o = 0; o < g->share; o += 2, w += 2 * g->size)
        pair_of_channels(g, channel + o, w, out + o, o + 1 < g->share);
}

NC_SHARED void nc_conv(const nc_op *op, int8_t *arena)
{
    const int32_t step = op->out_c;
    const int8_t *weights = op->with.weights;
    group g;
    g.op = op, g.x = arena + op->x, g.lanes = (lane *)(void *)(arena + op->scratch), g.zero = op->zero_out;
    g.biases = op->scales, g.multipliers = g.biases + step, g.rights = (const int8_t *)(g.multipliers + step);
    g.depth = (int32_t)((uint32_t)op->in_c / op->groups), g.share = (int32_t)((uint32_t)step / op->groups);
    g.size = (op->kernel_h * op->kernel_w * g.depth + 3) & ~3;
    for (int32_t channel = 0; channel < step; channel += g.share) {
        int8_t *out = arena + op->out + channel;
        int32_t count = 0, top = -op->pad_top;
        for (int32_t r = op->out_h; r > 0; r--, top += op->stride_h) {
            int32_t left = -op->pad_left;
            for (int32_t c = op->out_w; c > 0; c--, left += op->stride_w) {
                window(&g, top, left, start(g.lanes, count, g.size));
                if (++count < 4 && r + c > 2)
                    continue;
                pixels(&g, channel, weights, out, count);
                out += count * step;
                count = 0;
            }
        }
        g.x += g.depth, weights += ((g.share + 1) & ~1) * g.size;
    }
    nc_clamp(op, arena);
}

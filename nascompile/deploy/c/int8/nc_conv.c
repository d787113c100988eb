#include "nc_kernels.h"

/* The windows of some output pixels are laid out beside each other, then all output channels are computed from them, two
 * at a time, whose weights lie in turn: a0 b0 a1 b1 ... A window has `size` elements, a multiple of four; the weights
 * behind its last one are zero, whatever lies there.
 *
 * With SIMD a window is pairs of int16, and those of the four pixels lie in turn, a word each: so one word of weights
 * serves eight products. With vectors the windows of three pixels lie one behind the other, and a load takes the weights
 * of two channels apart. Else the windows of four pixels lie by two in turn, in int8. */
#if defined(NC_VECTOR)
#define PIXELS 3
typedef int8_t lane;

static inline lane *start(lane *lanes, int32_t pixel, int32_t size) { return lanes + pixel * size; }

static inline void copied(lane *to, const int8_t *x, int32_t n)
{
    do {
        const mve_pred16_t some = vctp8q((uint32_t)n);
        vstrbq_p_s8(to, vldrbq_z_s8(x, some), some);
        x += 16, to += 16, n -= 16;
    } while (n > 0);
}
#elif defined(__ARM_FEATURE_SIMD32)
/* Where gcc or clang compile, assembler stands for the C beside it: no compiler keeps eight sums in registers from their
 * biases to their outputs. */
#if defined(__thumb2__) && defined(__GNUC__) && !defined(NC_NO_ASSEMBLER)
#define NC_TWO_CHANNELS
#endif
#define NC_LAYING NC_AS_IT_IS
#define PIXELS 4
typedef int16_t lane;

/* From an element of a window to the next one. */
static inline lane *after(lane *to) { return to + ((uintptr_t)to & 2 ? 7 : 1); }

static inline lane *start(lane *lanes, int32_t pixel, int32_t size)
{
    (void)size;
    return lanes + 2 * pixel;
}

#if !defined(NC_TWO_CHANNELS)
static inline void pair(lane *to, int32_t value) { memcpy(NC_WORDS(to), &value, 4); }
#endif

static NC_INLINE lane *copied(lane *to, const int8_t *x, int32_t n)
{
    do {
        if (!((uintptr_t)to & 2) && n >= 4) {
#if defined(NC_TWO_CHANNELS)
            int32_t even, odd, both;
            __asm__ volatile(
                "0: ldr %[even], [%[x]], #4\n sxtb16 %[odd], %[even], ror #8\n sxtb16 %[even], %[even]\n"
                "pkhbt %[both], %[even], %[odd], lsl #16\n str %[both], [%[to]], #16\n"
                "pkhtb %[both], %[odd], %[even], asr #16\n str %[both], [%[to]], #16\n"
                "subs %[n], %[n], #4\n cmp %[n], #3\n bgt 0b\n"
                : [n] "+r"(n), [x] "+r"(x), [to] "+r"(to), [even] "=&r"(even), [odd] "=&r"(odd), [both] "=&r"(both)
                :
                : "cc", "memory");
#else
            do {
                const uint32_t word = nc_word(x);
                const int32_t even = nc_even(word), odd = nc_odd(word);
                pair(to, nc_lower(even, odd));
                pair(to + 8, nc_upper(even, odd));
                n -= 4, x += 4, to += 16;
            } while (n >= 4);
#endif
            if (n == 0)
                break;
        }
        *to = *x++;
        to = after(to);
    } while (--n);
    return to;
}
#else
#define NC_LAYING
#define PIXELS 4
typedef int8_t lane;

static inline lane *after(lane *to) { return to + 2; }

static inline lane *start(lane *lanes, int32_t pixel, int32_t size)
{
    return lanes + (pixel & 1) + (pixel & 2) * size;
}

static NC_INLINE lane *copied(lane *to, const int8_t *x, int32_t n)
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
    int8_t *out;
    int32_t step; /* from a pixel of the output to the next one */
} group;

#if defined(NC_VECTOR)
/* Lay out a window: what exists of it row by row in one go, or, of a group, place by place; behind zeros for the rest. */
static NC_NOINLINE NC_OPTIMIZE("O2") void window(const group *g, int32_t top, int32_t left, lane *to)
{
    const nc_op *op = g->op;
    const int32_t channels = op->in_c, depth = g->depth, row = op->in_w * channels, line = op->kernel_w * depth;
    const int32_t above = nc_max(0, -top), before = nc_max(0, -left);
    const int32_t rows = nc_min(op->kernel_h, op->in_h - top) - above;
    const int32_t columns = nc_min(op->kernel_w, op->in_w - left) - before;
    if (rows < op->kernel_h || columns < op->kernel_w)
        for (int32_t k = 0; k < g->size; k += 16)
            vstrbq_p_s8(to + k, vdupq_n_s8(op->zero), vctp8q((uint32_t)(g->size - k)));
    if (columns <= 0)
        return;
    const int8_t *x = g->x + (top + above) * row + (left + before) * channels;
    to += above * line + before * depth;
    for (int32_t ky = rows; ky > 0; ky--, x += row, to += line)
        if (depth == channels)
            copied(to, x, columns * depth);
        else
            for (int32_t kx = 0; kx < columns; kx++)
                copied(to + kx * depth, x + kx * channels, depth);
}
#else
/* Lay out a window: row by row in one go where it can be, else place by place; outside of the input stands zero. */
static NC_NOINLINE NC_LAYING void window(const group *g, int32_t top, int32_t left, lane *to)
{
    const nc_op *op = g->op;
    const int32_t channels = op->in_c, row = op->in_w * channels;
    const int8_t *x = g->x + top * row + left * channels;
    int32_t places = op->kernel_w, length = g->depth;
    if (length == channels && left >= 0 && left + places <= op->in_w)
        length *= places, places = 1;
    const int32_t end = top + op->kernel_h;
    const int32_t skipped = row - places * channels;
    for (; top != end; top++, x += skipped)
        for (int32_t column = left; column != left + places; column++, x += channels)
            if ((uint32_t)top < op->in_h && (uint32_t)column < op->in_w)
                to = copied(to, x, length);
            else
                for (int32_t k = length; k > 0; k--, to = after(to))
                    *to = (lane)op->zero;
}
#endif

#if defined(NC_VECTOR)
/* The sums of two channels of three pixels, those of a pixel four places behind those of the one before; a function of its
 * own, whose numbers all fit into registers. First 16 elements at a time, whose weights vld2 takes apart, then eight. */
static NC_NOINLINE NC_OPTIMIZE("O2") void products(
    int32_t *sums, const lane *x, int32_t size, const int8_t *w, const int32_t *bias)
{
    const lane *y = x + size, *z = y + size;
    int32_t a0 = bias[0], b0 = bias[1], a1 = a0, b1 = b0, a2 = a0, b2 = b0;
#if defined(NC_ASSEMBLER)
    __asm__("lsr lr, %[size], #4\n wls lr, lr, 1f\n"
            "0: vld20.8 {q0, q1}, [%[w]]\n vld21.8 {q0, q1}, [%[w]]!\n"
            "vldrb.8 q2, [%[x]], #16\n vmladava.s8 %[a0], q0, q2\n vmladava.s8 %[b0], q1, q2\n"
            "vldrb.8 q3, [%[y]], #16\n vmladava.s8 %[a1], q0, q3\n vmladava.s8 %[b1], q1, q3\n"
            "vldrb.8 q2, [%[z]], #16\n vmladava.s8 %[a2], q0, q2\n vmladava.s8 %[b2], q1, q2\n"
            "le lr, 0b\n"
            "1: ands %[size], %[size], #15\n beq 3f\n"
            "2: vctp.16 %[size]\n"
            "vpstt\n vldrht.u16 q3, [%[w]], #16\n vldrbt.s16 q2, [%[x]], #8\n"
            "vmovlb.s8 q0, q3\n vmovlt.s8 q1, q3\n"
            "vmladava.s16 %[a0], q0, q2\n vmladava.s16 %[b0], q1, q2\n"
            "vpstt\n vldrbt.s16 q2, [%[y]], #8\n vldrbt.s16 q3, [%[z]], #8\n"
            "vmladava.s16 %[a1], q0, q2\n vmladava.s16 %[b1], q1, q2\n"
            "vmladava.s16 %[a2], q0, q3\n vmladava.s16 %[b2], q1, q3\n"
            "subs %[size], %[size], #8\n bgt 2b\n"
            "3:"
            : [a0] "+Te"(a0), [b0] "+Te"(b0), [a1] "+Te"(a1), [b1] "+Te"(b1), [a2] "+Te"(a2), [b2] "+Te"(b2),
              [x] "+r"(x), [y] "+r"(y), [z] "+r"(z), [w] "+r"(w), [size] "+r"(size)
            :
            : "lr", "q0", "q1", "q2", "q3", "cc", "memory");
#else
    for (int32_t k = size >> 4; k > 0; k--, w += 32, x += 16, y += 16, z += 16) {
        const int8x16x2_t both = vld2q_s8(w);
        a0 = vmladavaq_s8(a0, both.val[0], vldrbq_s8(x)), b0 = vmladavaq_s8(b0, both.val[1], vldrbq_s8(x));
        a1 = vmladavaq_s8(a1, both.val[0], vldrbq_s8(y)), b1 = vmladavaq_s8(b1, both.val[1], vldrbq_s8(y));
        a2 = vmladavaq_s8(a2, both.val[0], vldrbq_s8(z)), b2 = vmladavaq_s8(b2, both.val[1], vldrbq_s8(z));
    }
    for (int32_t k = size & 15; k > 0; k -= 8, w += 16, x += 8, y += 8, z += 8) {
        const mve_pred16_t some = vctp16q((uint32_t)k);
        const int8x16_t both = vldrbq_z_s8(w, vctp8q(2 * (uint32_t)k));
        const int16x8_t a = vmovlbq_s8(both), b = vmovltq_s8(both);
        a0 = vmladavaq_s16(a0, a, vldrbq_z_s16(x, some)), b0 = vmladavaq_s16(b0, b, vldrbq_z_s16(x, some));
        a1 = vmladavaq_s16(a1, a, vldrbq_z_s16(y, some)), b1 = vmladavaq_s16(b1, b, vldrbq_z_s16(y, some));
        a2 = vmladavaq_s16(a2, a, vldrbq_z_s16(z, some)), b2 = vmladavaq_s16(b2, b, vldrbq_z_s16(z, some));
    }
#endif
    sums[0] = a0, sums[1] = b0, sums[4] = a1, sums[5] = b1, sums[8] = a2, sums[9] = b2;
}

/* All channels of the group, four at a time, of up to three pixels. */
static NC_NOINLINE void pixels(group *g, int32_t channel, const int8_t *w, int32_t count)
{
    int8_t *out = g->out;
    g->out += count * g->step;
    const nc_op *op = g->op;
    const int32_t channels = op->out_c, step = g->step, zero = op->zero_out;
    const int32_t *scale = op->scales + channel, *const end = scale + g->share;
    const int8_t *rights = (const int8_t *)(op->scales + 2 * channels) + channel;
    for (; scale < end; scale += 4, rights += 4, out += 4) {
        int32_t sums[12];
        for (int32_t k = 0; k < 4 && scale + k < end; k += 2, w += 2 * g->size)
            products(sums + k, g->lanes, g->size, w, scale + k);
        const mve_pred16_t some = vctp32q((uint32_t)(end - scale));
        const nc_factors factors = nc_factors_of(scale + channels, rights, some);
        const int32_t *from = sums;
        int8_t *to = out;
        for (int32_t k = count; k > 0; k--, from += 4, to += step) {
            const int32x4_t v = nc_rescaled(vldrwq_s32(from), factors);
            vstrbq_p_s32(to, nc_saturated4(vaddq_n_s32(v, zero)), some);
        }
    }
}
#elif defined(NC_TWO_CHANNELS)
/* What the outputs of four pixels are made of and where they go, in the order in which the assembler below knows it; what
 * is next of weights, shifts, multipliers, biases and outputs. */
typedef struct {
    const lane *x, *last; /* the windows, and what is behind them */
    const int8_t *w, *rights;
    const int32_t *multiplier, *end;
    const int32_t *bias;
    int32_t plus; /* one more than twice the zero point, see nc_requantised */
    int32_t first, second, third;
    int8_t *out;
} block;

/* Two elements of four windows, at r0, times those of two channels, at r1. */
#define NC_STEP \
    "ldr r12, [r1], #4\n ldrd r2, r3, [r0], #8\n sxtb16 lr, r12, ror #8\n sxtb16 r12, r12\n" \
    "smlad r4, r2, r12, r4\n smlad r8, r2, lr, r8\n smlad r5, r3, r12, r5\n smlad r9, r3, lr, r9\n" \
    "ldrd r2, r3, [r0], #8\n" \
    "smlad r6, r2, r12, r6\n smlad r10, r2, lr, r10\n smlad r7, r3, r12, r7\n smlad r11, r3, lr, r11\n"
/* The same of four sums. */
#define NC_FOUR_SUMS(left, right) \
    left "r4, r4, " right "\n" left "r5, r5, " right "\n" left "r6, r6, " right "\n" left "r7, r7, " right "\n"

/* The same as `products` and `pixels` below in one. The sums stay in registers: r4 to r7 those of a channel, r8 to r11
 * those of the one behind it. While outputs are made of the latter, the lowest bit of the weights' place, r1, is set. On
 * the stack are what is behind the windows and the block. */
static inline void channels_of(block *b)
{
    register block *at __asm__("r0") = b;
    __asm__ volatile(
        "ldrd r2, r1, [r0, #4]\n push {r0, r4-r11, lr}\n push {r2}\n"
        "0: ldr r2, [r0, #24]\n ldrd r4, r8, [r2], #8\n str r2, [r0, #24]\n ldr r0, [r0]\n"
        "mov r5, r4\n mov r6, r4\n mov r7, r4\n mov r9, r8\n mov r10, r8\n mov r11, r8\n"
        "1:" NC_STEP NC_STEP "ldr r12, [sp]\n cmp r0, r12\n bne 1b\n ldr r0, [sp, #4]\n"
        "2: ldrd r2, r3, [r0, #12]\n ldr lr, [r3], #4\n ldrsb r12, [r2], #1\n strd r2, r3, [r0, #12]\n"
        "subs r3, r12, #1\n bmi 4f\n"
        "3: ldr r2, [r0, #28]\n" NC_FOUR_SUMS("smmul ", "lr") NC_FOUR_SUMS("asrs ", "r3")
        NC_FOUR_SUMS("adds ", "r2") "ssat r4, #8, r4, asr #1\n ssat r5, #8, r5, asr #1\n"
        "ssat r6, #8, r6, asr #1\n ssat r7, #8, r7, asr #1\n ldrd r2, r3, [r0, #32]\n ldrd r12, lr, [r0, #40]\n"
        "strb r7, [lr, r12]\n strb r6, [lr, r3]\n strb r5, [lr, r2]\n strb r4, [lr], #1\n str lr, [r0, #44]\n"
        "ldrd r2, r3, [r0, #16]\n cmp r2, r3\n beq 5f\n eor r1, r1, #1\n lsls r2, r1, #31\n beq 0b\n"
        "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n b 2b\n"
        "4: rsbs r2, r3, #0\n" NC_FOUR_SUMS("lsls ", "r2") "movs r3, #0\n b 3b\n"
        "5: add sp, #8\n pop {r4-r11, lr}"
        : "+r"(at)
        :
        : "r1", "r2", "r3", "r12", "cc", "memory");
}

/* All channels of the group, of `count` pixels. */
static NC_NOINLINE void pixels(group *g, int32_t channel, const int8_t *w, int32_t count)
{
    const nc_op *op = g->op;
    const int32_t channels = op->out_c, step = g->step;
    block b;
    b.x = g->lanes, b.last = b.x + 4 * g->size, b.w = w;
    b.out = g->out, g->out += count * step;
    b.bias = op->scales + channel, b.multiplier = b.bias + channels, b.end = b.multiplier + g->share;
    b.rights = (const int8_t *)(op->scales + 2 * channels) + channel;
    b.plus = 2 * op->zero_out + 1;
    b.first = nc_min(1, count - 1) * step, b.second = nc_min(2, count - 1) * step, b.third = (count - 1) * step;
    channels_of(&b);
}
#else
#if defined(__ARM_FEATURE_SIMD32) || defined(NC_REGISTERS)
/* The sums of two channels of four pixels; a function of its own, whose numbers all fit into registers. */
static NC_NOINLINE NC_OPTIMIZE("O2", "no-schedule-insns", "no-schedule-insns2") void products(
    const group *g, const int8_t *w, const int32_t *bias, int32_t sums[8])
{
    int32_t a0 = bias[0], a1 = a0, a2 = a0, a3 = a0, b0 = bias[1], b1 = b0, b2 = b0, b3 = b0;
#if defined(__ARM_FEATURE_SIMD32)
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
#else
    /* Eight sums and what two places of them are made of; six loads for eight products. */
    const int8_t *x = (const int8_t *)g->lanes, *y = x + 2 * g->size, *const end = y;
    do {
#if defined(__GNUC__)
#pragma GCC unroll 2
#endif
        for (int32_t k = 0; k < 4; k += 2) {
            const int32_t a = w[k], b = w[k + 1], u0 = x[k], u1 = x[k + 1], v0 = y[k], v1 = y[k + 1];
            a0 += u0 * a, a1 += u1 * a, a2 += v0 * a, a3 += v1 * a;
            b0 += u0 * b, b1 += u1 * b, b2 += v0 * b, b3 += v1 * b;
        }
        w += 4, x += 4, y += 4;
    } while (x != end);
#endif
    sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
    sums[4] = b0, sums[5] = b1, sums[6] = b2, sums[7] = b3;
}
#else
static NC_INLINE void products(const group *g, const int8_t *w, const int32_t *bias, int32_t sums[8])
{
    for (int32_t k = 0; k < 2; k++, sums += 4) {
        /* Elements of a window are as far apart as weights of a channel. */
        const lane *x = g->lanes, *y = x + 2 * g->size;
        sums[0] = sums[1] = sums[2] = sums[3] = bias[k];
        nc_four(sums, x, x + 1, y, y + 1, w + k, 2, 2 * g->size);
    }
}
#endif

/* All channels of the group, of `count` pixels. Of four pixels the last ones may lie on each other, and are written
 * first: so what lies on another one is covered by it. */
static NC_NOINLINE void pixels(group *g, int32_t channel, const int8_t *w, int32_t count)
{
    int8_t *out = g->out;
    g->out += count * g->step;
    const nc_op *op = g->op;
    const int32_t channels = op->out_c, zero = op->zero_out;
    const int32_t first = nc_min(1, count - 1) * g->step, second = nc_min(2, count - 1) * g->step;
    const int32_t third = (count - 1) * g->step;
    const int32_t *scale = op->scales + channel, *const end = scale + g->share;
    const int8_t *rights = (const int8_t *)(op->scales + 2 * channels) + channel;
    for (; scale != end; w += 2 * g->size) {
        int32_t sums[8], *from = sums;
        products(g, w, scale, sums);
        do {
            int32_t right = *rights++;
            if (right < 1) {
                for (int32_t k = 0; k < 4; k++)
                    from[k] = nc_raised(from[k], 1 - right);
                right = 1;
            }
            const nc_factor factor = nc_factor_of(scale[channels], right);
            out[third] = (int8_t)nc_requantised(from[3], &factor, zero);
            out[second] = (int8_t)nc_requantised(from[2], &factor, zero);
            out[first] = (int8_t)nc_requantised(from[1], &factor, zero);
            out[0] = (int8_t)nc_requantised(from[0], &factor, zero);
            from += 4, scale++, out++;
        } while (from != sums + 8 && scale != end);
    }
}
#endif

NC_SHARED void nc_conv(const nc_op *op, int8_t *arena)
{
    const int32_t channels = op->out_c, way = nc_way(op);
    const int32_t first_row = way > 0 ? 0 : op->out_h - 1, first_column = way > 0 ? 0 : op->out_w - 1;
    const int8_t *weights = op->with.weights;
    group g;
    g.op = op, g.x = arena + op->x, g.lanes = (lane *)(void *)(arena + op->scratch);
    g.depth = (int32_t)((uint32_t)op->in_c / op->groups), g.share = (int32_t)((uint32_t)channels / op->groups);
    g.size = (op->kernel_h * op->kernel_w * g.depth + 3) & ~3;
    g.step = way * channels;
    for (int32_t channel = 0; channel < channels; channel += g.share) {
        g.out = arena + op->out + channel + (first_row * op->out_w + first_column) * channels;
        int32_t count = 0, top = first_row * op->stride_h - op->pad_top;
        for (int32_t r = op->out_h; r > 0; r--, top += way * op->stride_h) {
            int32_t left = first_column * op->stride_w - op->pad_left;
            for (int32_t c = op->out_w; c > 0; c--, left += way * op->stride_w) {
                window(&g, top, left, start(g.lanes, count, g.size));
                if (++count < PIXELS && r + c > 2)
                    continue;
                pixels(&g, channel, weights, count);
                g.lanes += op->raise * g.step * (PIXELS / (int32_t)sizeof(lane));
                count = 0;
            }
        }
        g.x += g.depth, weights += ((g.share + 1) & ~1) * g.size;
    }
    nc_clamp(op, arena);
}

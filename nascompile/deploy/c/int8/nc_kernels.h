/* The kernels of an int8 network. Tensors are [rows][columns][channels]; q stands for scale * (q - zero point).
 * The arithmetic is TensorFlow Lite's: int8 weights per output channel, int32 sums, one rounding from 64 bits. */
#ifndef NC_KERNELS_H
#define NC_KERNELS_H

#include "nc_compiler.h"

#include <stdint.h>
#include <string.h>

typedef struct nc_op nc_op;

/* One call of a kernel; all of them lie in flash, in one table. */
struct nc_op {
    void (*run)(const nc_op *op, int8_t *arena);
    union {
        const int8_t *weights; /* of a weighted kernel; the table of a look-up */
        uint32_t other;        /* offset of a second operand in the arena */
        const nc_op *parts;    /* of what runs row by row */
    } with;
    /* Biases of a weighted kernel, to which the input's zero point is added already; then multipliers; then shifts to
     * the right behind the upper 32 bits of a product, 1 to 31, one byte each, see nc_rescale; of a weighted kernel 0 to -29, too,
     * where a sum is to be raised to 1 first. */
    const int32_t *scales;
    uint32_t x, out, scratch; /* offsets in the arena, in bytes, multiples of four but where a part of a pixel begins */
    uint16_t in_h, in_w, in_c, out_h, out_w, out_c;
    uint16_t groups;
    uint16_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
    int8_t zero, zero_other, zero_out; /* zero points of x, of the second operand, of out */
    int8_t low, high;                  /* the clamp */
    int8_t raise;                      /* of a kernel without weights: bits to the left before a number is rescaled;
                                        * of a convolution 1 where its scratch goes before the outputs, see nc_way */
};

/* The order in which a kernel goes through pixels: 1 from the first to the last, or -1. An output may lie over its input
 * so that both begin at the same place, or end there but for what fills up words; or begin before it, or end behind it,
 * so far that scratch goes between what is written and what is left. In this order nothing is written over what is still
 * to be read. Which calls that may be is said in spaces/operators, by `CFunction.over` and `CFunction.gap`. */
static inline int32_t nc_way(const nc_op *op)
{
    return op->out > op->x || (op->out == op->x && op->out_c > op->in_c) ? -1 : 1;
}

static inline int32_t nc_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t nc_max(int32_t a, int32_t b) { return a > b ? a : b; }

/* To the left, also what is negative. */
static inline int32_t nc_raised(int32_t v, int32_t bits) { return (int32_t)((uint32_t)v << bits); }

/* A factor, multiplier / 2^(32 + right), with what rounds its products. */
typedef struct {
    int32_t multiplier, half, right;
} nc_factor;

static inline nc_factor nc_factor_of(int32_t multiplier, int32_t right)
{
    return (nc_factor){multiplier, (int32_t)1 << (right - 1), right};
}

/* Factor j of n of a kernel without weights. */
static inline nc_factor nc_factor_at(const nc_op *op, uint32_t j, uint32_t n)
{
    return nc_factor_of(op->scales[j], ((const int8_t *)(op->scales + n))[j]);
}

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

/* Helium: vectors of 16 bytes. What is left over of a row is masked, so that nothing is read or written beyond it. */
#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#define NC_VECTOR
/* Where gcc or clang compile, a few lines of assembler stand for the C beside them. */
#if defined(__GNUC__) && !defined(NC_NO_ASSEMBLER)
#define NC_ASSEMBLER
#endif

/* Of four channels: bits to the left first, multipliers, bits to the right behind the upper 32 bits, negative. */
typedef struct {
    int32x4_t raise, multiplier, right;
} nc_factors;

static inline nc_factors nc_factors_of(const int32_t *multipliers, const int8_t *rights, mve_pred16_t which)
{
    const int32x4_t left = vnegq_s32(vldrbq_z_s32(rights, which));
    const int32x4_t raise = vmaxq_s32(vaddq_n_s32(left, 1), vdupq_n_s32(0));
    return (nc_factors){raise, vldrwq_z_s32(multipliers, which), vsubq_s32(left, raise)};
}

/* vrshl by less than 0 shifts to the right and rounds, halves upwards: the same as nc_rescale. */
static inline int32x4_t nc_product(int32x4_t v, nc_factors by)
{
    return vrshlq_s32(vmulhq_s32(v, by.multiplier), by.right);
}

static inline int32x4_t nc_rescaled(int32x4_t v, nc_factors by) { return nc_product(vshlq_s32(v, by.raise), by); }

/* Each the nearest number of int8, in its lowest byte. */
static inline int32x4_t nc_saturated4(int32x4_t v)
{
#if defined(NC_ASSEMBLER)
    __asm__("vqmovnb.s32 %q0, %q0\n vqmovnb.s16 %q0, %q0" : "+w"(v));
    return v;
#else
    const int16x8_t half = vqmovnbq_s32(vreinterpretq_s16_s32(v), v);
    return vreinterpretq_s32_s8(vqmovnbq_s16(vreinterpretq_s8_s16(half), half));
#endif
}

/* Four numbers of other registers. */
static inline int32x4_t nc_lanes(int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32x4_t v = vuninitializedq_s32();
#if defined(NC_ASSEMBLER)
    __asm__("vmov %q0[2], %q0[0], %1, %2\n vmov %q0[3], %q0[1], %3, %4" : "=&w"(v) : "r"(a), "r"(c), "r"(b), "r"(d));
    return v;
#else
    v = vsetq_lane_s32(b, vsetq_lane_s32(a, v, 0), 1);
    return vsetq_lane_s32(d, vsetq_lane_s32(c, v, 2), 3);
#endif
}

/* A factor of all four; `raise` bits to the left first. */
static inline nc_factors nc_factors_by(int32_t raise, int32_t multiplier, int32_t right)
{
    return (nc_factors){vdupq_n_s32(raise), vdupq_n_s32(multiplier), vdupq_n_s32(-right)};
}
#endif

/* A core with registers for eight sums and their operands: all but those with Thumb alone. */
#if !defined(__thumb__) || defined(__thumb2__)
#define NC_REGISTERS
#endif

/* A core whose products have no more than 32 bits. */
#if defined(__thumb__) && !defined(__thumb2__) && !defined(NC_HALVES)
#define NC_HALVES
#endif

/* round(v * factor), halves upwards: what the lower 32 bits hold cannot change it. */
#if defined(NC_HALVES)
int32_t nc_rescale(int32_t v, const nc_factor *by);
#else
static inline int32_t nc_rescale(int32_t v, const nc_factor *by)
{
#if defined(__ARM_FEATURE_SIMD32) && defined(__arm__)
    int32_t high;
    __asm__("smmla %0, %1, %2, %3" : "=r"(high) : "r"(v), "r"(by->multiplier), "r"(by->half));
    return high >> by->right;
#else
    return ((int32_t)((int64_t)v * by->multiplier >> 32) + by->half) >> by->right;
#endif
}
#endif

/* The nearest number of int8. */
static inline int32_t nc_saturated(int32_t v)
{
#if defined(__ARM_FEATURE_SIMD32)
    return __ssat(v, 8);
#else
    return (uint32_t)(v - INT8_MIN) > UINT8_MAX ? INT8_MAX ^ v >> 31 : v;
#endif
}

/* nc_rescale, a zero point on top, the nearest number of int8. With SIMD the bit that rounds is added behind the shift, at
 * one bit more, which saturation takes away: so nothing but `right` and a constant is kept of the factor and the zero
 * point. */
static NC_INLINE int32_t nc_requantised(int32_t v, const nc_factor *by, int32_t zero)
{
#if defined(__ARM_FEATURE_SIMD32) && defined(__arm__)
    int32_t twice;
    __asm__("smmul %0, %1, %2" : "=r"(twice) : "r"(v), "r"(by->multiplier));
    twice = (twice >> (by->right - 1)) + (2 * zero + 1);
    __asm__("ssat %0, #8, %0, asr #1" : "+r"(twice));
    return twice;
#else
    return nc_saturated(nc_rescale(v, by) + zero);
#endif
}

/* Clamp all outputs, where the clamp is narrower than int8: the last thing that a kernel does. */
void nc_clamp(const nc_op *op, int8_t *arena);

/* What exists of the input under a window. */
typedef struct {
    const int8_t *x;       /* its first element */
    int32_t rows, columns; /* perhaps none */
} nc_window;

/* Call `body` for every output pixel, in the order of memory. */
void nc_slide(const nc_op *op, int8_t *arena, void (*body)(const nc_op *op, const nc_window *window, int8_t *out));

void nc_conv(const nc_op *op, int8_t *arena);
void nc_depthwise(const nc_op *op, int8_t *arena);
void nc_linear(const nc_op *op, int8_t *arena);
void nc_add(const nc_op *op, int8_t *arena);
void nc_mul(const nc_op *op, int8_t *arena);
void nc_requantise(const nc_op *op, int8_t *arena);
void nc_avg_pool(const nc_op *op, int8_t *arena);
void nc_global_avg_pool(const nc_op *op, int8_t *arena);
void nc_max_pool(const nc_op *op, int8_t *arena);
void nc_global_max_pool(const nc_op *op, int8_t *arena);
void nc_lookup(const nc_op *op, int8_t *arena);
void nc_zeros(const nc_op *op, int8_t *arena);
void nc_split(const nc_op *op, int8_t *arena);
void nc_shuffle(const nc_op *op, int8_t *arena);
void nc_by_rows(const nc_op *op, int8_t *arena);

/* Four int8 in one word. */
static inline uint32_t nc_word(const int8_t *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}

/* Of four int8 in one word two as a pair of int16: elements 0 and 2, elements 1 and 3. */
#if defined(__ARM_FEATURE_SIMD32)
static inline int32_t nc_even(uint32_t word) { return __sxtb16((int32_t)word); }

static inline int32_t nc_odd(uint32_t word)
{
#if defined(__arm__)
    int32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    return __sxtb16((int32_t)(word >> 8 | word << 24));
#endif
}

/* A word of two int16, wherever these have been written. */
typedef int32_t NC_ALIAS nc_pair;

/* Two words, and on to the next ones. */
static inline const nc_pair *nc_two(const nc_pair *x, int32_t *first, int32_t *second)
{
#if defined(__arm__)
    __asm__("ldrd %0, %1, [%2], #8" : "=r"(*first), "=r"(*second), "+r"(x) : : "memory");
    return x;
#else
    *first = x[0], *second = x[1];
    return x + 2;
#endif
}

/* Add two products to a sum, in its own register. */
static inline void nc_dual(int32_t *sum, int32_t a, int32_t b)
{
#if defined(__arm__)
    __asm__("smlad %0, %1, %2, %0" : "+r"(*sum) : "r"(a), "r"(b));
#else
    *sum = __smlad(a, b, *sum);
#endif
}

/* To a sum add the int8 that begins at a bit of a word. */
#if defined(__arm__)
#define nc_byte_plus(sum, word, bit) \
    __extension__({ \
        int32_t nc_result; \
        __asm__("sxtab %0, %1, %2, ror %3" : "=r"(nc_result) : "r"(sum), "r"(word), "I"(bit)); \
        nc_result; \
    })
#else
#define nc_byte_plus(sum, word, bit) ((sum) + (int8_t)((word) >> (bit)))
#endif

/* To two sums of 16 bits add elements 0 and 2, elements 1 and 3. */
static inline int32_t nc_even_plus(int32_t sums, uint32_t word) { return __sxtab16(sums, (int32_t)word); }

static inline int32_t nc_odd_plus(int32_t sums, uint32_t word)
{
#if defined(__arm__)
    int32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(sums), "r"(word));
    return result;
#else
    return __sxtab16(sums, (int32_t)(word >> 8 | word << 24));
#endif
}

/* The lower halves of two words, and the upper halves. */
static inline int32_t nc_lower(int32_t a, int32_t b)
{
#if defined(__arm__)
    int32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(a), "r"(b));
    return pair;
#else
    return (int32_t)(((uint32_t)a & 0xffff) | (uint32_t)b << 16);
#endif
}

static inline int32_t nc_upper(int32_t a, int32_t b)
{
#if defined(__arm__)
    int32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(b), "r"(a));
    return pair;
#else
    return (int32_t)((uint32_t)a >> 16 | ((uint32_t)b & 0xffff0000u));
#endif
}
#else
/* Add to four sums: products of elements 0, step, 2 * step, ... before `end` of w with those of x0 to x3. */
static NC_INLINE void nc_four(int32_t sums[4], const int8_t *x0, const int8_t *x1, const int8_t *x2, const int8_t *x3,
    const int8_t *w, int32_t step, int32_t end)
{
    int32_t k = 0;
#if defined(__thumb__) && !defined(__thumb2__) && !defined(__clang__)
    /* The sums in upper registers, which a compiler leaves unused; the same in C below. */
    register int32_t a __asm__("r8") = sums[0], b __asm__("r9") = sums[1], c __asm__("r10") = sums[2];
    register int32_t d __asm__("r11") = sums[3], last __asm__("r12") = end;
    int32_t q, v;
    __asm__ volatile(
        "0: ldrsb %[q], [%[w], %[k]]\n"
        "ldrsb %[v], [%[x0], %[k]]\n mul %[v], %[q]\n add %[a], %[v]\n"
        "ldrsb %[v], [%[x1], %[k]]\n mul %[v], %[q]\n add %[b], %[v]\n"
        "ldrsb %[v], [%[x2], %[k]]\n mul %[v], %[q]\n add %[c], %[v]\n"
        "ldrsb %[v], [%[x3], %[k]]\n mul %[v], %[q]\n add %[d], %[v]\n"
        "add %[k], %[step]\n cmp %[k], %[last]\n bne 0b"
        : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [k] "+l"(k), [q] "=&l"(q), [v] "=&l"(v)
        : [x0] "l"(x0), [x1] "l"(x1), [x2] "l"(x2), [x3] "l"(x3), [w] "l"(w), [step] "i"(step), [last] "r"(last)
        : "cc", "memory");
#else
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    do {
        const int32_t q = w[k];
        a += x0[k] * q, b += x1[k] * q, c += x2[k] * q, d += x3[k] * q;
        k += step;
    } while (k != end);
#endif
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}
#endif

#endif

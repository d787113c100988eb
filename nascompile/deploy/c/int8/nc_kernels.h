/* The kernels of an int8 network. Tensors are [rows][columns][channels]; q stands for scale * (q - zero point).
 * The arithmetic is TensorFlow Lite's: int8 weights per output channel, int32 sums, one rounding from 64 bits. */
#ifndef NC_KERNELS_H
#define NC_KERNELS_H

#include <stdint.h>
#include <string.h>

typedef struct nc_op nc_op;

/* One call of a kernel; all of them lie in flash, in one table. */
struct nc_op {
    void (*run)(const nc_op *op, int8_t *arena);
    union {
        const int8_t *weights; /* of a weighted kernel; the table of a look-up */
        uint32_t other;        /* offset of a second operand in the arena */
    } with;
    /* Biases of a weighted kernel; then multipliers; then shifts to the right, one byte each; then, of a kernel of two
     * operands, the zero point of the other. */
    const int32_t *scales;
    uint32_t x, out;       /* offsets in the arena, in bytes */
    uint16_t in_h, in_w, in_c, out_h, out_w, out_c;
    uint16_t groups;
    uint8_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
    int8_t zero, zero_out, low, high; /* zero points of x and out; the clamp */
};

static inline int32_t nc_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t nc_max(int32_t a, int32_t b) { return a > b ? a : b; }

/* round(v * multiplier / 2^right), halves upwards, in 64 bits. */
static inline int32_t nc_rescale(int32_t v, int32_t multiplier, int32_t right)
{
    const int64_t product = (int64_t)v * multiplier;
    const int32_t high = (int32_t)(product >> 32);
    if (right > 32) /* what the low word holds cannot change the result */
        return (high + ((int32_t)1 << (right - 33))) >> (right - 32);
    /* 2 to 32; multipliers are such that the result stays within 29 bits */
    return ((int32_t)((uint32_t)product >> (right - 1) | (uint32_t)high << (33 - right)) + 1) >> 1;
}

/* An output: v rescaled, at the output's zero point, clamped. */
static inline int8_t nc_quantise(const nc_op *op, int32_t v, int32_t multiplier, int32_t right)
{
    v = nc_rescale(v, multiplier, right) + op->zero_out;
    return (int8_t)nc_min(nc_max(v, op->low), op->high);
}

/* An output of a kernel without weights: v rescaled by the j-th of n factors. */
static inline int8_t nc_scaled(const nc_op *op, int32_t v, uint32_t j, uint32_t n)
{
    return nc_quantise(op, v, op->scales[j], ((const int8_t *)(op->scales + n))[j]);
}

/* Write the outputs of `count` channels from the first on, of which these are the sums. */
void nc_store(const nc_op *op, int8_t *out, int32_t first, const int32_t *sums, int32_t count);

/* What exists of the input under a window. */
typedef struct {
    const int8_t *x;       /* its first element */
    int32_t rows, columns; /* perhaps none */
    int32_t first;         /* where it begins in the window: row * columns of the window + column */
} nc_window;

/* Call `body` for every output pixel, in the order of memory. */
void nc_slide(const nc_op *op, int8_t *arena, void (*body)(const nc_op *op, const nc_window *window, int8_t *out));

void nc_conv(const nc_op *op, int8_t *arena);
void nc_depthwise(const nc_op *op, int8_t *arena);
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

/* Four int8 in one word, as two pairs of int16: elements 0 and 2, elements 1 and 3. */
#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>

static inline uint32_t nc_word(const int8_t *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}

static inline int32_t nc_even(uint32_t word) { return __sxtb16((int32_t)word); }

static inline int32_t nc_odd(uint32_t word)
{
    int32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

static inline int32_t nc_even_plus(int32_t pair, uint32_t word)
{
    int32_t sum;
    __asm__("sxtab16 %0, %1, %2" : "=r"(sum) : "r"(pair), "r"(word));
    return sum;
}

static inline int32_t nc_odd_plus(int32_t pair, uint32_t word)
{
    int32_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(pair), "r"(word));
    return sum;
}

/* - zero point, twice */
static inline int32_t nc_minus(int32_t zero) { return (int32_t)((uint32_t)(-zero & 0xffff) * 0x10001u); }
#endif

#endif

/* The kernels of a float32 network. Tensors are [rows][columns][channels]. */
#ifndef NC_KERNELS_H
#define NC_KERNELS_H

#include "nc_compiler.h"

#include <stdint.h>
#include <string.h>

typedef struct nc_op nc_op;

/* One call of a kernel; all of them lie in flash, in one table. */
struct nc_op {
    void (*run)(const nc_op *op, float *arena);
    const float *weights, *biases;
    uint32_t x, other, out; /* offsets in the arena, in elements; `other` of a second operand, or of scratch */
    uint16_t in_h, in_w, in_c, out_h, out_w, out_c;
    uint16_t groups;
    uint16_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
    float low, high; /* the clamp */
};

/* What exists of the input under a window. */
typedef struct {
    const float *x;        /* its first element */
    int32_t rows, columns; /* perhaps none */
    int32_t first;         /* where it begins in the window: row * columns of the window + column */
} nc_window;

/* The order in which a kernel goes through pixels, and which calls may write over their input: as in int8. */
static inline int32_t nc_way(const nc_op *op)
{
    return op->out > op->x || (op->out == op->x && op->out_c > op->in_c) ? -1 : 1;
}

/* Call `body` for every output pixel, in the order of memory. */
void nc_slide(const nc_op *op, float *arena, void (*body)(const nc_op *op, const nc_window *window, float *out));

static inline int32_t nc_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t nc_max(int32_t a, int32_t b) { return a > b ? a : b; }

/* The window of an output pixel. */
static inline void nc_window_at(const nc_op *op, const float *arena, int32_t r, int32_t c, nc_window *window)
{
    const int32_t top = r * op->stride_h - op->pad_top, left = c * op->stride_w - op->pad_left;
    const int32_t ky = nc_max(0, -top), kx = nc_max(0, -left);
    window->x = arena + op->x + ((top + ky) * op->in_w + left + kx) * op->in_c;
    window->rows = nc_max(0, nc_min(op->kernel_h, op->in_h - top) - ky);
    window->columns = nc_max(0, nc_min(op->kernel_w, op->in_w - left) - kx);
    window->first = ky * op->kernel_w + kx;
}

/* Four numbers, and on to the next ones; others, without; in one instruction where there is one. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__thumb2__) && defined(__ARM_FP)
#define NC_FOUR(w, a, b, c, d) \
    register float a __asm__("s28"), b __asm__("s29"), c __asm__("s30"), d __asm__("s31"); \
    __asm__("vldmia %0!, {s28-s31}" \
            : "+r"(w), "=t"(a), "=t"(b), "=t"(c), "=t"(d) \
            : "m"(*(const float(*)[4])(w)))
#define NC_NEXT_FOUR(x, a, b, c, d) \
    register float a __asm__("s24"), b __asm__("s25"), c __asm__("s26"), d __asm__("s27"); \
    __asm__("vldmia %4, {s24-s27}" : "=t"(a), "=t"(b), "=t"(c), "=t"(d) : "r"(x), "m"(*(const float(*)[4])(x)))
#else
#define NC_FOUR(w, a, b, c, d) \
    const float a = (w)[0], b = (w)[1], c = (w)[2], d = (w)[3]; \
    w += 4
#define NC_NEXT_FOUR(x, a, b, c, d) const float a = (x)[0], b = (x)[1], c = (x)[2], d = (x)[3]
#endif

static inline float nc_clamp(const nc_op *op, float v)
{
    v = v < op->low ? op->low : v;
    return v > op->high ? op->high : v;
}

/* min(max(v + 3, 0), 6) / 6 */
static inline float nc_gate(float v)
{
    v = v + 3.0f < 0.0f ? 0.0f : v + 3.0f;
    return (v > 6.0f ? 6.0f : v) / 6.0f;
}

void nc_conv(const nc_op *op, float *arena);
void nc_depthwise(const nc_op *op, float *arena);
void nc_add(const nc_op *op, float *arena);
void nc_mul(const nc_op *op, float *arena);
void nc_clip(const nc_op *op, float *arena);
void nc_avg_pool(const nc_op *op, float *arena);
void nc_global_avg_pool(const nc_op *op, float *arena);
void nc_max_pool(const nc_op *op, float *arena);
void nc_global_max_pool(const nc_op *op, float *arena);
void nc_hard_swish(const nc_op *op, float *arena);
void nc_hard_sigmoid(const nc_op *op, float *arena);
void nc_zeros(const nc_op *op, float *arena);
void nc_split(const nc_op *op, float *arena);
void nc_shuffle(const nc_op *op, float *arena);

#endif

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
    uint32_t x, other, out; /* offsets in the arena, in elements */
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

/* Call `body` for every output pixel, in the order of memory. */
void nc_slide(const nc_op *op, float *arena, void (*body)(const nc_op *op, const nc_window *window, float *out));

static inline int32_t nc_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t nc_max(int32_t a, int32_t b) { return a > b ? a : b; }

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

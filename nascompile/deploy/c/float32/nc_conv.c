#include "nc_kernels.h"

/* Up to four pixels whose windows have the same part inside the input; of fewer the last one stands for the others, too.
 * What lies outside is zero, and left out. */
typedef struct {
    const nc_op *op;
    const float *x[4];
    float *out;
    int32_t step;  /* from the output of a pixel to the next one's */
    int32_t count;
    int32_t depth, share; /* of a group */
    nc_window window;
    int32_t runs, length; /* pieces of memory in each of its rows, elements of each */
    int32_t next_row, next_weights; /* how much lies between them */
    int32_t way, turned, places; /* of a copied pixel 1 or -1; whether lines are columns; of a line */
} block;

/* What is to be done with every element of a window: `each` with v, an element, and its weights. */
#define NC_ELEMENTS(each, after_run, after_row, w, width) \
    const int32_t next_run = g->op->in_c - g->depth; \
    for (int32_t rows = g->window.rows; rows > 0; rows--) { \
        for (int32_t runs = g->runs; runs > 0; runs--) { \
            int32_t n = g->length; \
            do { \
                each; \
            } while (--n); \
            after_run; \
        } \
        after_row; \
        w += g->next_weights * (width); \
    }

/* Four channels, from channel `at` of the input on; their weights lie in turn. */
static NC_NOINLINE void wide(const block *g, int32_t at, const float *w, const float *bias, float *out)
{
    const float *x0 = g->x[0] + at, *x1 = g->x[1] + at, *x2 = g->x[2] + at, *x3 = g->x[3] + at;
    float a0 = bias[0], b0 = bias[1], c0 = bias[2], d0 = bias[3], a1 = a0, b1 = b0, c1 = c0, d1 = d0;
    float a2 = a0, b2 = b0, c2 = c0, d2 = d0, a3 = a0, b3 = b0, c3 = c0, d3 = d0;
    NC_ELEMENTS(
        NC_FOUR(w, a, b, c, d); float v = *x0++; a0 += v * a; b0 += v * b; c0 += v * c; d0 += v * d; v = *x1++;
        a1 += v * a; b1 += v * b; c1 += v * c; d1 += v * d; v = *x2++; a2 += v * a; b2 += v * b; c2 += v * c;
        d2 += v * d; v = *x3++; a3 += v * a; b3 += v * b; c3 += v * c; d3 += v * d,
        x0 += next_run; x1 += next_run; x2 += next_run; x3 += next_run,
        x0 += g->next_row; x1 += g->next_row; x2 += g->next_row; x3 += g->next_row, w, 4)
    float *to = out + (g->count - 1) * g->step;
    to[0] = a3, to[1] = b3, to[2] = c3, to[3] = d3;
    to = out + nc_min(2, g->count - 1) * g->step;
    to[0] = a2, to[1] = b2, to[2] = c2, to[3] = d2;
    to = out + g->step;
    to[0] = a1, to[1] = b1, to[2] = c1, to[3] = d1;
    out[0] = a0, out[1] = b0, out[2] = c0, out[3] = d0;
}

/* The same of one pixel. */
static NC_NOINLINE void narrow(const block *g, int32_t at, const float *w, const float *bias, float *out)
{
    const float *x = g->x[0] + at;
    float a0 = bias[0], b0 = bias[1], c0 = bias[2], d0 = bias[3];
    NC_ELEMENTS(
        NC_FOUR(w, a, b, c, d); const float v = *x++; a0 += v * a; b0 += v * b; c0 += v * c; d0 += v * d,
        x += next_run, x += g->next_row, w, 4)
    out[0] = a0, out[1] = b0, out[2] = c0, out[3] = d0;
}

/* One channel of one pixel, of `apart` whose weights lie in turn. */
static NC_NOINLINE float single(const block *g, const float *x, const float *w, int32_t apart, float sum)
{
    NC_ELEMENTS(sum += *x++ * *w; w += apart, x += next_run, x += g->next_row, w, apart)
    return sum;
}

/* All channels of a block, four by four, and what is left over of a group one by one. */
static NC_NOINLINE void channels(block *g)
{
    const nc_op *op = g->op;
    const int32_t size = op->kernel_h * op->kernel_w * g->depth, first = g->window.first * g->depth;
    const int32_t columns = g->window.columns;
    const float *w = op->weights, *bias = op->biases;
    float *out = g->out;
    g->runs = op->groups == 1 ? 1 : columns, g->length = op->groups == 1 ? columns * g->depth : g->depth;
    g->next_row = (op->in_w - columns) * op->in_c, g->next_weights = (op->kernel_w - columns) * g->depth;
    if (columns == 0)
        g->window.rows = 0;
    for (int32_t k = g->count; k < 4; k++)
        g->x[k] = g->x[k - 1];
    for (int32_t at = 0; at < op->in_c; at += g->depth) {
        int32_t left = g->share;
        for (; left >= 4; left -= 4, w += 4 * size, bias += 4, out += 4)
            if (g->count > 1)
                wide(g, at, w + 4 * first, bias, out);
            else
                narrow(g, at, w + 4 * first, bias, out);
        for (int32_t k = 0; k < left; k++, bias++, out++)
            for (int32_t p = 0; p < g->count; p++)
                out[p * g->step] = single(g, g->x[p] + at, w + left * first + k, left, *bias);
        w += left * size;
    }
    for (int32_t p = g->count; p > 0; p--, g->out += g->step)
        for (out = g->out; out < g->out + op->out_c; out++)
            *out = nc_clamp(op, *out);
}

/* A block from a place of a line on. */
static NC_NOINLINE NC_OPTIMIZE("no-tree-loop-distribute-patterns") void gather(
    block *g, float *arena, int32_t line, int32_t place)
{
    const nc_op *op = g->op;
    const int32_t in_c = op->in_c;
    for (g->count = 0; g->count < 4 && place < g->places; g->count++, place++) {
        nc_window window;
        if (g->way) {
            const float *from = arena + op->x + (g->way < 0 ? g->places - 1 - place : place) * in_c;
            float *to = arena + op->other + g->count * in_c;
            window.x = to, window.rows = window.columns = 1, window.first = 0;
            for (int32_t k = in_c; k > 0; k--)
                *to++ = *from++;
        } else
            nc_window_at(op, arena, g->turned ? place : line, g->turned ? line : place, &window);
        if (g->count && (window.first != g->window.first || window.columns != g->window.columns
                || window.rows != g->window.rows))
            break;
        g->window = window;
        g->x[g->count] = window.x;
    }
}

/* Pixels go line by line, along the longer side of the image. Where a window is one element, all pixels are one line, in
 * the order of memory or the reverse, and are copied before any of a block is written: the output may lie over them. */
NC_SHARED void nc_conv(const nc_op *op, float *arena)
{
    const int32_t out_c = op->out_c, pixels = op->out_h * op->out_w;
    int32_t next = op->out_w * out_c;
    block g;
    g.op = op, g.way = 0, g.turned = op->out_h > op->out_w, g.places = op->out_w, g.step = out_c;
    g.depth = (int32_t)((uint32_t)op->in_c / op->groups), g.share = (int32_t)((uint32_t)out_c / op->groups);
    float *out = arena + op->out;
    /* One after another, however many hold: so a call takes what its loops do. */
    if ((op->kernel_h * op->kernel_w * op->stride_h * op->stride_w * op->groups == 1) & (pixels > 1)
        & (op->in_h == op->out_h) & (op->in_w == op->out_w)) {
        g.way = nc_way(op), g.places = pixels, g.step = g.way * out_c;
        if (g.way < 0)
            out += (pixels - 1) * out_c;
    } else if (g.turned)
        g.places = op->out_h, g.step = next, next = out_c;
    for (int32_t line = 0; line * g.places < pixels; line++, out += next) {
        g.out = out;
        for (int32_t place = 0; place < g.places; place += g.count) {
            gather(&g, arena, line, place);
            channels(&g);
        }
    }
}

#include "nc_kernels.h"

/* What windows of some channels are read from. */
typedef struct {
    const nc_op *op;
    const float *biases;
    int32_t rows, columns; /* of the window that exist */
    int32_t step;          /* from a place to the next one */
    int32_t next_row, next_weights; /* what lies between rows */
    const float *end; /* of the rows that are kept, and their size */
    int32_t size;
} part;

/* What is to be done with each place of a window: `each`. */
#define NC_PLACES(each) \
    for (int32_t rows = g->rows; rows > 0; rows--) { \
        int32_t columns = g->columns; \
        do { \
            each; \
            x += g->step; \
        } while (--columns); \
        x += g->next_row, w += g->next_weights; \
        if (x >= g->end) \
            x -= g->size; \
    }

/* Four channels of a pixel. */
static NC_NOINLINE void four(const part *g, const float *x, const float *w, float *out)
{
    const float *bias = g->biases;
    float a0 = bias[0], b0 = bias[1], c0 = bias[2], d0 = bias[3];
    NC_PLACES(NC_FOUR(w, a, b, c, d); NC_NEXT_FOUR(x, p, q, r, s); a0 += p * a; b0 += q * b; c0 += r * c; d0 += s * d)
    const nc_op *op = g->op;
    out[0] = nc_clamp(op, a0), out[1] = nc_clamp(op, b0), out[2] = nc_clamp(op, c0), out[3] = nc_clamp(op, d0);
}

/* One of up to three, `apart` weights of which lie in turn. */
static NC_NOINLINE float single(const part *g, const float *x, const float *w, int32_t apart, float sum)
{
    NC_PLACES(sum += *x * *w; w += apart)
    return nc_clamp(g->op, sum);
}

/* One filter per channel, four channels at a time, whose weights lie in turn: [rows][columns][channels]; those left over
 * one by one. Where an output may lie over its input, the rows of a window are kept apart, the newest in place of the
 * oldest. */
NC_SHARED NC_OPTIMIZE("no-tree-loop-distribute-patterns") void nc_depthwise(const nc_op *op, float *arena)
{
    const int32_t channels = op->out_c, width = op->in_w, height = op->in_h, kernel = op->kernel_h;
    /* One after another, however many hold: so a call takes what its loops do. */
    const int kept = (op->out_h == height) & (op->out_w == width) & (op->stride_h * op->stride_w == 1)
        & (channels % 4 == 0) & (op->pad_top < kernel);
    float *const ring = arena + op->other;
    const float *weights = op->weights;
    part g;
    g.op = op, g.biases = op->biases, g.step = kept ? 4 : channels;
    g.size = kept ? kernel * width * 4 : 0, g.end = ring + g.size;
    for (int32_t o = 0, count; o < channels; o += count) {
        const float *from = arena + op->x + o, *oldest = ring;
        float *put = ring, *out = arena + op->out + o;
        count = nc_min(4, channels - o);
        for (int32_t r = 0, copied = 0; r < op->out_h; r++) {
            const int32_t top = r * op->stride_h - op->pad_top, ky = nc_max(0, -top), end = nc_min(top + kernel, height);
            const float *line = arena + op->x + o + (top + ky) * width * channels;
            if (kept) {
                for (; copied < end; copied++)
                    for (int32_t c = width; c > 0; c--, from += channels, put += 4) {
                        if (put == g.end)
                            put = ring;
                        put[0] = from[0], put[1] = from[1], put[2] = from[2], put[3] = from[3];
                    }
                if (top > 0 && (oldest += width * 4) == g.end)
                    oldest = ring;
                line = oldest;
            }
            for (int32_t c = 0; c < op->out_w; c++, out += channels) {
                const int32_t left = c * op->stride_w - op->pad_left, kx = nc_max(0, -left);
                const float *x = line + (left + kx) * g.step, *w = weights + (ky * op->kernel_w + kx) * count;
                g.columns = nc_min(op->kernel_w, width - left) - kx;
                g.rows = g.columns > 0 ? end - top - ky : 0;
                g.next_row = (width - g.columns) * g.step, g.next_weights = (op->kernel_w - g.columns) * count;
                if (count == 4)
                    four(&g, x, w, out);
                else
                    for (int32_t k = 0; k < count; k++)
                        out[k] = single(&g, x + k, w + k, count, g.biases[k]);
            }
        }
        g.biases += count, weights += op->kernel_h * op->kernel_w * count;
    }
}

#include "nc_kernels.h"

/* A side of the image. */
typedef struct {
    int32_t in, out, kernel, stride, pad, x_step, out_step;
} side;

/* Whether the side along a row of the plane is the image's height; both sides. */
static NC_NOINLINE void sides_of(const nc_op *op, side *along, side *across)
{
    const int32_t channels = op->in_c;
    side *rows = across, *columns = along;
    if (op->out_w * ((op->out_h + 3) >> 2) < op->out_h * ((op->out_w + 3) >> 2))
        rows = along, columns = across;
    columns->in = op->in_w, columns->out = op->out_w, columns->kernel = op->kernel_w, columns->stride = op->stride_w;
    columns->pad = op->pad_left, columns->x_step = columns->out_step = channels;
    rows->in = op->in_h, rows->out = op->out_h, rows->kernel = op->kernel_h, rows->stride = op->stride_h;
    rows->pad = op->pad_top, rows->x_step = op->in_w * channels, rows->out_step = op->out_w * channels;
}

#if defined(NC_VECTOR)
/* One filter per channel, channel after channel, and line after line of outputs: `along` is the side of a line, `across`
 * the other one, and weights lie as is said below. What a line reads of a channel is laid out place after place along it,
 * in each the places across; so a window, wherever it begins, is one run of memory, and so are its weights, with zeros
 * behind them up to a whole vector. From line to line places move on within it. */
typedef struct {
    const nc_op *op;
    side along, across;
    int8_t *line, *weights;
    int32_t bytes; /* of the line, whose last windows are read in whole vectors */
    int32_t before, inside, behind; /* places of the line in front of the image, in it and behind it */
    int32_t taps;
} filter;

/* The weights of a channel. */
static NC_NOINLINE NC_OPTIMIZE("O2") void unpack(const filter *f, const int8_t *w)
{
    const int32_t kernel = f->along.kernel, depth = f->across.kernel;
    for (int32_t row = 0; row < depth; row++)
        for (int32_t place = 0; place < kernel; place++)
            f->weights[place * depth + row] = *w++;
}

/* The same number at places of the line. */
static inline int8_t *spread(int8_t *to, int32_t depth, int32_t n, int8_t zero)
{
    for (; n > 0; n--, to += depth)
        *to = zero;
    return to;
}

/* The row of the image at x as a place across of the line; where it is outside of the image stands its zero point. */
static NC_NOINLINE NC_OPTIMIZE("O2") void lay_out(const filter *f, const int8_t *x, int8_t *to, int there)
{
    const int32_t depth = f->across.kernel, x_step = f->along.x_step;
    int32_t n = f->inside;
    if (!there) {
        spread(to, depth, f->before + n + f->behind, (int8_t)f->op->zero);
        return;
    }
    to = spread(to, depth, f->before, (int8_t)f->op->zero);
    const uint32x4_t four = vidupq_n_u32(0, 1);
    const uint32x4_t places = vmulq_n_u32(four, (uint32_t)depth), from = vmulq_n_u32(four, (uint32_t)x_step);
    for (; n >= 4; n -= 4, x += 4 * x_step, to += 4 * depth)
        vstrbq_scatter_offset_s32(to, places, vldrbq_gather_offset_s32(x, from));
    for (; n > 0; n--, x += x_step, to += depth)
        *to = *x;
    spread(to, depth, f->behind, (int8_t)f->op->zero);
}

/* Add to the sums of four outputs, whose windows begin `apart` bytes from each other. */
#define NC_FOUR(weights, x) \
    do { \
        const int8_t *nc_x = x; \
        a = vmladavaq_s8(a, weights, vldrbq_s8(nc_x)), nc_x += apart; \
        b = vmladavaq_s8(b, weights, vldrbq_s8(nc_x)), nc_x += apart; \
        c = vmladavaq_s8(c, weights, vldrbq_s8(nc_x)), nc_x += apart; \
        d = vmladavaq_s8(d, weights, vldrbq_s8(nc_x)); \
    } while (0)

/* The outputs of a channel, whose first row of windows would begin at x. */
static NC_NOINLINE NC_OPTIMIZE("O2", "no-schedule-insns", "no-schedule-insns2") void lines(
    const filter *f, int32_t channel, const int8_t *x, int8_t *out)
{
    const int32_t *scale = f->op->scales + channel, channels = f->op->in_c, bias = scale[0];
    const int32_t left = -((const int8_t *)(f->op->scales + 2 * channels))[channel], raise = nc_max(0, 1 + left);
    const int32_t apart = f->along.stride * f->across.kernel, x_step = f->across.x_step;
    int32_t row = -f->across.pad, rows = f->across.kernel;
    for (int32_t line = f->across.out;; out += f->across.out_step) {
        for (; rows > 0; rows--, row++, x += x_step)
            lay_out(f, x, f->line + f->across.kernel - rows, (uint32_t)row < (uint32_t)f->across.in);
        const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)f->along.out_step);
        const int32x4_t multiplier = vdupq_n_s32(scale[channels]);
        const int8x16_t first = vldrbq_s8(f->weights);
        const int8_t *window = f->line;
        int8_t *to = out;
        for (int32_t n = f->along.out; n > 0; n -= 4, to += 4 * f->along.out_step, window += 4 * apart) {
            int32_t a = bias, b = a, c = a, d = a;
            NC_FOUR(first, window);
            for (int32_t k = 16; k < f->taps; k += 16)
                NC_FOUR(vldrbq_s8(f->weights + k), window + k);
            int32x4_t v = vmulhq_s32(vshlq_r_s32(nc_lanes(a, b, c, d), raise), multiplier);
            v = nc_saturated4(vaddq_n_s32(vrshlq_n_s32(v, left - raise), f->op->zero_out));
            vstrbq_scatter_offset_p_s32(to, places, v, vctp32q((uint32_t)n));
        }
        if (--line == 0)
            return;
        rows = nc_min(f->across.stride, f->across.kernel);
        int8_t *moved = f->line;
        for (int32_t k = f->bytes; k > 0; k -= 16, moved += 16)
            vstrbq_s8(moved, vldrbq_s8(moved + rows));
        row += f->across.stride - rows, x += (f->across.stride - rows) * x_step;
    }
}

NC_SHARED void nc_depthwise(const nc_op *op, int8_t *arena)
{
    const int32_t channels = op->in_c;
    filter f;
    sides_of(op, &f.along, &f.across);
    f.op = op, f.taps = f.along.kernel * f.across.kernel;
    f.weights = arena + op->scratch, f.line = f.weights + ((f.taps + 15) & ~15);
    f.bytes = (((f.along.out + 3) & ~3) * f.along.stride - f.along.stride + f.along.kernel) * f.across.kernel;
    const int32_t places = (f.along.out - 1) * f.along.stride + f.along.kernel;
    f.before = nc_min(f.along.pad, places), f.inside = nc_min(f.along.in, places - f.before);
    f.behind = places - f.before - f.inside;
    for (int8_t *clear = f.weights; clear < f.line; clear += 16)
        vstrbq_s8(clear, vdupq_n_s8(0));
    const int8_t *weights = op->with.weights, *x = arena + op->x - f.across.pad * f.across.x_step;
    for (int32_t channel = 0; channel < channels; channel++, weights += f.taps) {
        unpack(&f, weights);
        lines(&f, channel, x + channel, arena + op->out + channel);
    }
    nc_clamp(op, arena);
}
#else
/* One filter per channel, channel after channel. What a strip of outputs reads of a channel is laid out as a plane with
 * its border, then windows slide over it, four outputs at a time along the side of the image that leaves fewer over.
 * That side is `along`, the other one `across`. Weights are [channel][across][along].
 *
 * With SIMD a plane is of int16, read two at a time: a window that begins at an odd place, as every other one does in odd
 * steps, is read from one place before it, with weights that begin with a zero.
 *
 * Rows of the input that the next strip reads, too, are moved within the plane: the output may lie over them. */
#define STRIP 8
/* Bytes of scratch before the plane: a `filter`, which would be a third of the stack. */
#define FILTER 128

#if defined(__ARM_FEATURE_SIMD32)
typedef int16_t cell;
typedef nc_pair two; /* cells */
typedef nc_pair weight; /* of two places */
#define NC_SLIDING NC_AS_IT_IS
#else
#define NC_SLIDING NC_OPTIMIZE("O2", "no-schedule-insns", "no-schedule-insns2")
typedef int8_t cell;
typedef int16_t NC_ALIAS two;
typedef int8_t weight;
#endif

typedef cell *NC_BY_WORDS cell_place;
typedef const weight *NC_BY_WORDS weight_place;

typedef struct {
    side along, across;
    int32_t next;   /* from a row of weights to the next one */
    int32_t inside; /* places of a row of the plane in the image, if any */
    int32_t width;  /* of a row of the plane, an even number */
    cell_place plane;
    weight_place weights; /* of the channel */
#if defined(__ARM_FEATURE_SIMD32)
    weight_place end;
    int32_t words; /* of weights for a row of a window, two places in each, an even number */
    int32_t gap;   /* from the end of a window row to the next one, in words */
#endif
    two zeros; /* zero points */
    int32_t bias, multiplier, right, zero_out;
} filter;

/* So many cells that are outside of the input. */
static NC_NOINLINE void clear(const filter *f, cell *to, int32_t n)
{
    two *put = (two *)(void *)to;
    for (; n > 0; n -= 2)
        *put++ = f->zeros;
}

/* What a strip reads of a channel, `rows` from the one at `top` on. What is around the input is there already, but for
 * rows where those of another strip have been. */
static NC_NOINLINE NC_AS_IT_IS void lay_out(const filter *f, cell *to, const int8_t *x, int32_t top, int32_t rows)
{
    const int32_t step = f->along.x_step;
    x += top * f->across.x_step;
    do {
        if ((uint32_t)top < (uint32_t)f->across.in) {
            cell *put = to + f->along.pad;
            const int8_t *from = x;
            int32_t n = f->inside;
            while ((n -= 4) >= 0) {
                put[0] = from[0], put[1] = from[step], put[2] = from[2 * step], put[3] = from[3 * step];
                put += 4, from += 4 * step;
            }
            for (n += 4; n > 0; n--, from += step)
                *put++ = *from;
        } else if (f->across.out > STRIP)
            clear(f, to, f->width);
        top++, x += f->across.x_step, to += f->width;
    } while (--rows);
}

#if defined(__ARM_FEATURE_SIMD32)
/* The weights of a channel in pairs: those of a window that begins at an even place, and, but in steps of two, those of
 * the next one in turn. */
static NC_NOINLINE NC_AS_IT_IS void unpack(const filter *f, const int8_t *w, weight *to)
{
    const int32_t stride = f->along.stride;
    int32_t rows = f->across.kernel;
    do {
        const int8_t *get = w;
        int32_t before = 0, left = f->along.kernel, k = f->words;
        w += f->next;
        do {
            const int32_t first = --left >= 0 ? *get++ : 0, second = --left >= 0 ? *get++ : 0;
            int32_t both = nc_lower(first, second);
            *to++ = both;
            if (stride & 1)
                both = nc_lower(before, first);
            if (stride != 2)
                *to++ = both;
            before = second;
        } while (--k);
    } while (--rows);
}

/* Of four outputs the products of four places: in steps of one two windows begin at each word. */
static NC_INLINE void places(
    const nc_pair **p, const weight **w, int32_t *a, int32_t *b, int32_t *c, int32_t *d)
{
    int32_t u, v, even, odd;
    *p = nc_two(*p, &u, &v);
    *w = nc_two(*w, &even, &odd);
    nc_dual(a, u, even), nc_dual(b, u, odd), nc_dual(c, v, even), nc_dual(d, v, odd);
    *w = nc_two(*w, &even, &odd);
    u = **p;
    nc_dual(a, v, even), nc_dual(b, v, odd), nc_dual(c, u, even), nc_dual(d, u, odd);
}

/* The same in steps of two: one begins at each word. */
static NC_INLINE void apart(const nc_pair **p, const weight **w, int32_t *a, int32_t *b, int32_t *c, int32_t *d)
{
    int32_t u, v, first, second;
    *w = nc_two(*w, &first, &second);
    *p = nc_two(*p, &u, &v);
    nc_dual(a, u, first), nc_dual(a, v, second), nc_dual(b, v, first);
    u = (*p)[0], v = (*p)[1];
    nc_dual(b, u, second), nc_dual(c, u, first), nc_dual(c, v, second), nc_dual(d, v, first);
    u = (*p)[2];
    nc_dual(d, u, second);
}
#endif

/* `lines` of outputs, the windows of the first of which begin where the plane does. */
static NC_NOINLINE NC_SLIDING void slide(const filter *f, int8_t *out, int32_t lines)
{
    const cell *x = f->plane;
    for (; lines > 0; lines--, x += f->across.stride * f->width, out += f->across.out_step) {
        int8_t *to = out;
        const cell *window = x;
        int32_t left = f->along.out;
        do {
            int32_t a, b, c, d;
#if defined(__ARM_FEATURE_SIMD32)
            const nc_pair *p = NC_WORDS(window);
            const weight *w = f->weights;
            const int32_t stride = f->along.stride, gap = f->gap;
            a = b = c = d = f->bias;
            if (stride == 1)
                do {
                    int32_t k = f->words;
                    do
                        places(&p, &w, &a, &b, &c, &d);
                    while (k -= 2);
                    p += gap;
                } while (w != f->end);
            else if (stride == 2)
                do {
                    int32_t k = f->words;
                    do
                        apart(&p, &w, &a, &b, &c, &d);
                    while (k -= 2);
                    p += gap;
                } while (w != f->end);
            else
                do {
                    int32_t k = f->words;
                    do {
                        int32_t even, odd;
                        w = nc_two(w, &even, &odd);
                        nc_dual(&a, p[0], even), nc_dual(&b, p[stride >> 1], odd);
                        nc_dual(&c, p[stride], even), nc_dual(&d, p[3 * stride >> 1], odd);
                        p++;
                    } while (--k);
                    p += gap;
                } while (w != f->end);
#else
            const int32_t stride = f->along.stride;
            const int8_t *w = f->weights;
            const cell *p = window;
            a = b = c = d = f->bias;
            int32_t sums[4] = {a, b, c, d};
            for (int32_t rows = f->across.kernel; rows > 0; rows--, p += f->width, w += f->next)
                nc_four(sums, p, p + stride, p + 2 * stride, p + 3 * stride, w, 1, f->along.kernel);
            a = sums[0], b = sums[1], c = sums[2], d = sums[3];
#endif
            int32_t right = f->right;
            if (right < 1) {
                const int32_t raise = 1 - right;
                a = nc_raised(a, raise), b = nc_raised(b, raise);
                c = nc_raised(c, raise), d = nc_raised(d, raise);
                right = 1;
            }
            const nc_factor factor = nc_factor_of(f->multiplier, right);
            const int32_t zero = f->zero_out, step = f->along.out_step;
            a = nc_requantised(a, &factor, zero), b = nc_requantised(b, &factor, zero);
            c = nc_requantised(c, &factor, zero), d = nc_requantised(d, &factor, zero);
            window += 4 * f->along.stride;
            left -= 4;
            if (left < 0) {
                to[0] = (int8_t)a;
                if (left > -3)
                    to[step] = (int8_t)b;
                if (left > -2)
                    to[2 * step] = (int8_t)c;
                break;
            }
            to[0] = (int8_t)a, to[step] = (int8_t)b;
            to += 2 * step;
            to[0] = (int8_t)c, to[step] = (int8_t)d;
            to += 2 * step;
        } while (left);
    }
}

/* A channel, strip by strip. */
static NC_NOINLINE void strips(const filter *f, const int8_t *x, int8_t *out)
{
    const int32_t both = f->across.kernel - f->across.stride, kept = nc_max(0, both); /* rows that two strips read */
    int32_t top = -f->across.pad, rows = f->across.kernel;
    two *put = (two *)(void *)f->plane;
    for (int32_t left = f->across.out;; left -= STRIP) {
        const int32_t lines = nc_min(STRIP, left);
        rows += (lines - 1) * f->across.stride;
        lay_out(f, (cell *)(void *)put, x, top, rows);
        slide(f, out, lines);
        if (left <= STRIP)
            return;
        out += STRIP * f->across.out_step, top += rows + kept - both, rows = f->across.kernel - kept;
        put = (two *)(void *)f->plane;
        const two *get = put + (f->across.stride * STRIP / 2) * f->width;
        for (int32_t n = kept * f->width; n > 0; n -= 2)
            *put++ = *get++;
    }
}

NC_SHARED void nc_depthwise(const nc_op *op, int8_t *arena)
{
    const int32_t channels = op->in_c;
    filter *const f = (filter *)(void *)(arena + op->scratch);
    sides_of(op, &f->along, &f->across);
    f->zero_out = op->zero_out;
    const int32_t kernel = f->along.kernel, stride = f->along.stride, taps = kernel * f->across.kernel;
    const int32_t words = (((kernel + 1 + (stride & 1)) >> 1) + 1) & ~1;
    f->width = ((((f->along.out - 1) | 3) * stride) & ~1) + 2 * words;
    f->inside = nc_min(f->along.in, f->width - f->along.pad);
    const int8_t *weights = op->with.weights, *x = arena + op->x;
    int8_t *out = arena + op->out;
    f->next = kernel;
    if (out > x) { /* strips from the last one to the first: the image upside down */
        side *const across = &f->across;
        weights += taps - kernel, f->next = -kernel;
        x += (across->in - 1) * across->x_step, out += (across->out - 1) * across->out_step;
        across->pad = (across->out - 1) * across->stride + across->kernel - across->in - across->pad;
        across->x_step = -across->x_step, across->out_step = -across->out_step;
    }
#if defined(__ARM_FEATURE_SIMD32)
    f->zeros = nc_lower(op->zero, op->zero);
    f->words = words, f->gap = (f->width >> 1) - words;
    weight *const own = (weight *)(void *)((int8_t *)f + FILTER);
    f->weights = own, f->end = own + (f->across.kernel * words << (stride != 2));
    f->plane = (cell *)(void *)(own + (f->end - own));
#else
    f->zeros = (two)((op->zero & 0xff) * 0x101);
    f->plane = (int8_t *)f + FILTER;
#endif
    clear(f, f->plane, ((nc_min(f->across.out, STRIP) - 1) * f->across.stride + f->across.kernel) * f->width);
    const int32_t *scale = op->scales, *const end = scale + channels;
    const int8_t *rights = (const int8_t *)(end + channels);
    for (; scale != end; weights += taps) {
#if defined(__ARM_FEATURE_SIMD32)
        unpack(f, weights, own);
#else
        f->weights = weights;
#endif
        f->right = *rights++, f->multiplier = scale[channels], f->bias = *scale++;
        strips(f, x++, out++);
    }
    nc_clamp(op, arena);
}
#endif

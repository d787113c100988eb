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
    const int32_t stride = f->along.stride, kernel = f->along.kernel, depth = f->across.kernel;
    for (int32_t row = 0; row < depth; row++)
        for (int32_t phase = 0; phase < nc_min(stride, kernel); phase++)
            for (int32_t place = phase; place < kernel; place += stride)
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
 * That side is `along`, the other one `across`.
 *
 * Windows go on by one place, in steps of several places too: then a row of the image is as many rows of the plane, its
 * phases, of places so far apart, and so is a row of a window. Weights are [channel][across][phase][place].
 *
 * With SIMD a plane is of int16, read two at a time: a window that begins at an odd place is read from one place before
 * it, with weights that begin with a zero.
 *
 * Rows of the input that the next strip reads, too, are moved within the plane: the output may lie over them. */
#define STRIP 8
/* Bytes of scratch before the plane: a `filter`, which would be a third of the stack. */
#define FILTER 128

#if defined(__ARM_FEATURE_SIMD32)
typedef int16_t cell;
typedef nc_pair two; /* cells */
typedef nc_pair weight; /* of two places */
#else
typedef int8_t cell;
typedef int16_t NC_ALIAS two;
typedef int8_t weight;
#endif

typedef cell *NC_BY_WORDS cell_place;
typedef const weight *NC_BY_WORDS weight_place;

typedef struct {
    side along, across;
    int32_t phases; /* of a row of the window */
    int32_t words;  /* of weights for a phase, two places in each, an even number */
    int32_t width;  /* of a row of the plane */
    int32_t row;    /* the same for a row of the image */
    cell_place plane;
    weight_place weights; /* of the channel */
#if defined(__ARM_FEATURE_SIMD32)
    weight_place end;
    int32_t gap; /* from the end of a window row to the next one, in words */
#else
    int32_t places; /* of the first phase; the last ones have perhaps one less */
#endif
    int8_t back;    /* strips go from the last one to the first */
    int8_t again;   /* the plane has its borders */
    int16_t zero;
    int32_t bias, raise, zero_out;
    nc_factor factor;
} filter;

/* Pairs of cells of a plane from one place in it to another. */
static NC_NOINLINE void move(two *put, const two *get, int32_t n)
{
    int32_t step = 1;
    if (put > get) {
        get += n - 1, put += n - 1;
        step = -1;
    }
    for (; n > 0; n--, get += step, put += step)
        *put = *get;
}

/* What a strip reads of a channel, `rows` from the one at `top` on; outside of the input stands its zero point, unless
 * it does so from the channel before. */
static NC_NOINLINE void lay_out(const filter *f, cell *to, const int8_t *x, int32_t top, int32_t rows)
{
    const int32_t stride = f->along.stride, x_step = f->along.x_step;
    x += top * f->across.x_step;
    for (; rows > 0; rows--, top++, x += f->across.x_step)
        for (int32_t phase = 0; phase < f->phases; phase++) {
            cell *put = to;
            to += f->width;
            if (!f->again)
                for (cell *clear = put; clear < to; clear++)
                    *clear = (cell)f->zero;
            if ((uint32_t)top >= (uint32_t)f->across.in)
                continue;
            int32_t place = phase - f->along.pad;
            for (; place < 0; place += stride)
                put++;
            const int8_t *from = x + place * x_step;
            const int8_t *const end = from + nc_min(f->along.in - place, (int32_t)(to - put) * stride) * x_step;
            if (from < end)
                do {
                    *put++ = *from;
                    from += stride * x_step;
                } while (from < end);
        }
}

#if defined(__ARM_FEATURE_SIMD32)
/* The weights of a channel in pairs: those of a window at an even place and at an odd one in turn. */
static NC_NOINLINE void unpack(const filter *f, const int8_t *w, weight *to)
{
    for (int32_t rows = f->across.kernel; rows > 0; rows--)
        for (int32_t phase = 0; phase < f->phases; phase++) {
            int32_t before = 0, place = phase;
            for (int32_t k = f->words; k > 0; k--) {
                int32_t pair[2];
                for (int32_t j = 0; j < 2; j++, place += f->along.stride)
                    pair[j] = place < f->along.kernel ? *w++ : 0;
                *to++ = nc_lower(pair[0], pair[1]);
                *to++ = nc_lower(before, pair[0]);
                before = pair[1];
            }
        }
}
#endif

#if defined(__ARM_FEATURE_SIMD32)
/* Of four outputs the products of four places, from which two begin at each word. */
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
#endif

/* `lines` of outputs, the windows of the first of which begin where the plane does. */
static NC_NOINLINE NC_OPTIMIZE("O2", "no-schedule-insns", "no-schedule-insns2") void slide(
    const filter *f, int8_t *out, int32_t lines)
{
    const cell *x = f->plane;
    for (; lines > 0; lines--, x += f->across.stride * f->row, out += f->across.out_step) {
        int8_t *to = out;
        const cell *window = x;
        int32_t left = f->along.out;
        do {
            const weight *w = f->weights;
            int32_t a = f->bias, b = a, c = a, d = a;
#if defined(__ARM_FEATURE_SIMD32)
            const nc_pair *p = NC_WORDS(window);
            const int32_t gap = f->gap;
            const weight *end = f->end;
            if (f->words == 2) /* windows of two or three places */
                do {
                    places(&p, &w, &a, &b, &c, &d);
                    p += gap;
                } while (w != end);
            else
                do {
                    int32_t k = f->words;
                    do
                        places(&p, &w, &a, &b, &c, &d);
                    while (k -= 2);
                    p += gap;
                } while (w != end);
#else
            const cell *p = window;
            int32_t sums[4] = {a, b, c, d};
            for (int32_t rows = f->across.kernel; rows > 0; rows--)
                for (int32_t phase = 0; phase < f->phases; phase++, p += f->width) {
                    const int32_t places = f->places - (phase + (f->places - 1) * f->along.stride >= f->along.kernel);
                    nc_four(sums, p, p + 1, p + 2, p + 3, w, 1, places);
                    w += places;
                }
            a = sums[0], b = sums[1], c = sums[2], d = sums[3];
#endif
            const nc_factor factor = f->factor;
            const int32_t zero = f->zero_out, step = f->along.out_step;
            const int32_t raise = f->raise;
            if (raise) {
                a = nc_raised(a, raise), b = nc_raised(b, raise);
                c = nc_raised(c, raise), d = nc_raised(d, raise);
            }
            a = nc_saturated(nc_rescale(a, &factor) + zero), b = nc_saturated(nc_rescale(b, &factor) + zero);
            c = nc_saturated(nc_rescale(c, &factor) + zero), d = nc_saturated(nc_rescale(d, &factor) + zero);
            window += 4;
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
    const int32_t kept = f->across.kernel - f->across.stride; /* rows of a strip that the next one reads, too */
    for (int32_t done = 0; done < f->across.out; done += STRIP) {
        const int32_t left = f->across.out - done, lines = nc_min(STRIP, left);
        const int32_t line = f->back ? left - lines : done, pairs = f->row >> 1;
        int32_t top = line * f->across.stride - f->across.pad, rows = (lines - 1) * f->across.stride + f->across.kernel;
        cell *to = f->plane;
        if (done > 0 && kept > 0) {
            two *first = (two *)(void *)to, *second = first + f->across.stride * pairs * (f->back ? lines : STRIP);
            rows -= kept;
            if (f->back)
                move(second, first, kept * pairs);
            else {
                move(first, second, kept * pairs);
                to += kept * f->row, top += kept;
            }
        }
        lay_out(f, to, x, top, rows);
        slide(f, out + line * f->across.out_step, lines);
    }
}

NC_SHARED void nc_depthwise(const nc_op *op, int8_t *arena)
{
    const int32_t channels = op->in_c;
    filter *const f = (filter *)(void *)(arena + op->scratch);
    sides_of(op, &f->along, &f->across);
    f->back = op->out > op->x, f->again = 0;
    f->zero = op->zero, f->zero_out = op->zero_out;
    f->phases = nc_min(f->along.stride, f->along.kernel);
    const int32_t places = (int32_t)((uint32_t)(f->along.kernel + f->along.stride - 1) / (uint32_t)f->along.stride);
    f->words = (((places + 2) >> 1) + 1) & ~1;
    f->width = 2 * (f->words - 1) + ((f->along.out + 3) & ~3);
    f->row = f->phases * f->width;
    f->plane = (cell *)(void *)((int8_t *)f + FILTER);
    const int8_t *weights = op->with.weights;
#if defined(__ARM_FEATURE_SIMD32)
    weight *const own = (weight *)(void *)f->plane;
    f->weights = own, f->end = own + f->across.kernel * f->phases * f->words * 2;
    f->plane += 2 * (f->end - own);
    f->gap = (f->width >> 1) - f->words;
#else
    f->places = places;
#endif
    const int32_t *scale = op->scales;
    const int8_t *rights = (const int8_t *)(scale + 2 * channels);
    for (int32_t channel = 0; channel < channels; channel++, weights += f->along.kernel * f->across.kernel) {
#if defined(__ARM_FEATURE_SIMD32)
        unpack(f, weights, own);
#else
        f->weights = weights;
#endif
        const int32_t right = rights[channel];
        f->bias = scale[channel], f->raise = nc_max(0, 1 - right);
        f->factor = nc_factor_of(scale[channels + channel], right + f->raise);
        strips(f, arena + op->x + channel, arena + op->out + channel);
        f->again = f->across.out <= STRIP;
    }
    nc_clamp(op, arena);
}
#endif

#include "nc_kernels.h"

/* Add to four sums: n of (x - zero) times as many weights, in rows that begin `row` apart. */
static __attribute__((noinline)) void products(
    const int8_t *x, int32_t zero, const int8_t *w, int32_t row, int32_t n, int32_t sums[4])
{
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    const int8_t *v = w + row;
#if defined(__ARM_FEATURE_SIMD32)
    const int32_t minus = nc_minus(zero);
    for (int32_t words = n >> 2; words > 0; words--) {
        uint32_t word = nc_word(x);
        const int32_t even = nc_even_plus(minus, word), odd = nc_odd_plus(minus, word);
        word = nc_word(w);
        a = __smlad(even, nc_even(word), a);
        a = __smlad(odd, nc_odd(word), a);
        word = nc_word(v);
        b = __smlad(even, nc_even(word), b);
        b = __smlad(odd, nc_odd(word), b);
        word = nc_word(w + 2 * row);
        c = __smlad(even, nc_even(word), c);
        c = __smlad(odd, nc_odd(word), c);
        word = nc_word(v + 2 * row);
        d = __smlad(even, nc_even(word), d);
        d = __smlad(odd, nc_odd(word), d);
        x += 4, w += 4, v += 4;
    }
    n &= 3;
#endif
    for (; n > 0; n--) {
        const int32_t q = *x++ - zero;
        a += q * w[0];
        b += q * v[0];
        c += q * w[2 * row];
        d += q * v[2 * row];
        w++, v++;
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* Window row by window row, four output channels at a time; the last four of a group may have been computed in part
 * before, and of a group of fewer each is computed on its own. Of a window that leaves the input only the part inside
 * is summed: what lies outside is zero. Without groups a window row is one run of memory. */
static void conv(const nc_op *op, const nc_window *window, int8_t *out)
{
    const int32_t depth = op->in_c / op->groups, share = op->out_c / op->groups;
    const int32_t size = op->kernel_h * op->kernel_w * depth, many = share >= 4;
    const int32_t runs = op->groups == 1 ? 1 : window->columns, n = op->groups == 1 ? window->columns * depth : depth;
    const int8_t *x = window->x, *weights = op->with.weights + window->first * depth;
    for (int32_t end = share; end <= op->out_c; end += share, x += depth)
        for (int32_t o = end - share; o < end; o += many ? 4 : 1) {
            if (many)
                o = nc_min(o, end - 4);
            int32_t sums[4];
            for (int32_t k = 0; k < 4; k++)
                sums[k] = op->scales[o + many * k];
            const int8_t *x_row = x, *w_row = weights + o * size;
            for (int32_t ky = window->rows; ky > 0; ky--, x_row += op->in_w * op->in_c, w_row += op->kernel_w * depth)
                for (int32_t run = 0; run < runs; run++)
                    products(x_row + run * op->in_c, op->zero, w_row + run * depth, many * size, n, sums);
            nc_store(op, out, o, sums, many ? 4 : 1);
        }
}

void nc_conv(const nc_op *op, int8_t *arena) { nc_slide(op, arena, conv); }

#include "nc_kernels.h"

/* A depthwise convolution, the middle, and the pointwise ones around it, row by row. Each is a call of its own for a row
 * of its output, `parts` of the table, in which x and out say where in the arena it reads and writes: all rows of what
 * comes first and of what is last; of what is between them, if something makes its rows, those of a window, which begins
 * in rows that are missing where it begins outside of the input. Over the first of them the middle may write. */
#define BEHIND 1
#define BEFORE 2
/* Bytes of scratch before those rows. */
#define CALL 88

/* In the arena, not on the stack, on which the kernels lie. */
typedef struct {
    nc_op call; /* of a row of a part */
    uint16_t row, made; /* of the output, the one in work; of what the middle reads, those that are made */
    int32_t last; /* the part that has run, from the middle on; -1 for none of this row */
} state;

/* Bytes to a place before theirs. */
static NC_NOINLINE NC_OPTIMIZE("no-tree-loop-distribute-patterns") void move(void *to, const void *from, uint32_t bytes)
{
    if (!(((uintptr_t)to | (uintptr_t)from | bytes) & 3)) {
        typedef uint32_t NC_ALIAS word;
        word *put = to;
        const word *get = from;
        for (; bytes > 0; bytes -= 4)
            *put++ = *get++;
    } else {
        int8_t *put = to;
        const int8_t *get = from;
        for (; bytes > 0; bytes--)
            *put++ = *get++;
    }
}

/* The call of a part for one row of its output, and for so many rows of its input. */
static NC_NOINLINE const nc_op *row_of(const nc_op *part, nc_op *call, int32_t x, int32_t there, int32_t out)
{
    move(call, part, sizeof *call);
    call->x += (uint32_t)(x * part->in_w * part->in_c), call->in_h = (uint16_t)there;
    call->out += (uint32_t)(out * part->out_w * part->out_c), call->out_h = 1;
    return part;
}

/* The part that runs next, its call laid out; none at the end. */
static NC_NOINLINE const nc_op *next(const nc_op *op, state *s, int8_t *window)
{
    const int32_t before = op->groups & BEFORE, behind = op->groups & BEHIND, stride = op->stride_h;
    const nc_op *const middle = op->with.parts + (before >> 1);
    if (s->last == behind) {
        if (++s->row == op->out_h)
            return 0;
        const int32_t pitch = op->in_w * op->in_c, kept = op->kernel_h - stride;
        if (before && kept > 0)
            move(window, window + stride * pitch, (uint32_t)(kept * pitch));
        s->last = -1;
    }
    if (++s->last > 0)
        return row_of(middle + 1, &s->call, 0, 1, s->row);
    const int32_t top = s->row * stride - op->pad_top, first = nc_max(top, 0), end = nc_min(top + op->kernel_h, op->in_h);
    const int32_t made = nc_max(s->made, first);
    if (before && made < end) {
        s->last = -1, s->made = (uint16_t)(made + 1);
        return row_of(middle - 1, &s->call, made, 1, made - top);
    }
    row_of(middle, &s->call, before ? first - top : first, nc_max(0, end - first), behind ? 0 : s->row);
    s->call.pad_top = (uint16_t)(first - top);
    return middle;
}

NC_SHARED void nc_by_rows(const nc_op *op, int8_t *arena)
{
    /* Pointers of a computer begin at multiples of eight. */
    state *const s = (state *)(void *)(((uintptr_t)arena + op->scratch + 7) & ~(uintptr_t)7);
    s->row = s->made = 0, s->last = -1;
    const nc_op *part;
    while ((part = next(op, s, arena + op->scratch + CALL)))
        part->run(&s->call, arena);
}

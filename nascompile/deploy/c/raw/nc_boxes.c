#include "nc_boxes.h"
#include "nc_compiler.h"

typedef union {
    float value;
    int32_t bits;
} float_bits;

typedef struct {
    float left, top, right, bottom;
} corners;

/* 1 / (1 + exp(-x)), to 2e-7, without libm: a power of two by its exponent, the rest by a polynomial. */
static float sigmoid(float x)
{
    x = x > 80 ? 80 : x < -80 ? -80 : x;
    const float power = x * -1.44269504089f;
    const int32_t whole = (int32_t)(power + (power < 0 ? -0.5f : 0.5f));
    const float f = (power - (float)whole) * 0.69314718056f;
    float y = 1.0f / 5040;
    y = y * f + 1.0f / 720;
    y = y * f + 1.0f / 120;
    y = y * f + 1.0f / 24;
    y = y * f + 1.0f / 6;
    y = y * f + 0.5f;
    y = y * f + 1;
    float_bits of = {.value = y * f + 1};
    of.bits += whole * (1 << 23);
    return 1 / (1 + of.value);
}

/* Boxes are numbered by anchor, row, column, class. */
static uint32_t first_value(const nc_head *head, uint32_t number)
{
    const uint32_t places = (uint32_t)head->rows * head->columns, place = number / head->classes;
    return (place % places * head->anchors + place / places) * (5u + head->classes);
}

static corners decoded(const nc_head *head, uint32_t number)
{
    const uint32_t at = first_value(head, number), place = number / head->classes;
    const uint32_t column = place % head->columns, row = place / head->columns % head->rows;
    const float *size = head->sizes + place / ((uint32_t)head->rows * head->columns) * 2;
    const float x = (2 * sigmoid(head->value(at)) - 0.5f + (float)column) / head->columns;
    const float y = (2 * sigmoid(head->value(at + 1)) - 0.5f + (float)row) / head->rows;
    const float w = 2 * sigmoid(head->value(at + 2)), h = 2 * sigmoid(head->value(at + 3));
    const float half_w = 0.5f * w * w * size[0], half_h = 0.5f * h * h * size[1];
    return (corners){x - half_w, y - half_h, x + half_w, y + half_h};
}

static float least_of(float a, float b) { return a < b ? a : b; }
static float most_of(float a, float b) { return a > b ? a : b; }

static int overlapping(corners a, corners b, float overlap)
{
    const float w = least_of(a.right, b.right) - most_of(a.left, b.left);
    const float h = least_of(a.bottom, b.bottom) - most_of(a.top, b.top);
    const float common = most_of(w, 0) * most_of(h, 0);
    const float areas = (a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top);
    return common > overlap * (areas - common);
}

/* Surer; of two that are equally sure the one that comes first. */
static int before(const nc_candidate *a, const nc_candidate *b)
{
    return a->score > b->score || (a->score == b->score && a->number < b->number);
}

/* The candidates, the surest `places` of them; gives how many. */
static uint32_t gathered(const nc_head *head, nc_candidate *room, uint32_t places)
{
    const uint32_t classes = head->classes, all = (uint32_t)head->anchors * head->rows * head->columns * classes;
    uint32_t count = 0;
    for (uint32_t first = 0; first < all; first += classes) {
        const uint32_t at = first_value(head, first);
        const float object = sigmoid(head->value(at + 4));
        if (object < head->least)
            continue;
        for (uint32_t k = 0; k < classes; k++) {
            /* A single class is not learnt to be told from others. */
            const nc_candidate found = {classes > 1 ? object * sigmoid(head->value(at + 5 + k)) : object, first + k};
            if (found.score < head->least)
                continue;
            if (count < places) {
                room[count++] = found;
                continue;
            }
            nc_candidate *last = room;
            for (uint32_t j = 1; j < count; j++)
                if (before(last, room + j))
                    last = room + j;
            if (before(&found, last))
                *last = found;
        }
    }
    return count;
}

static float cut(float x) { return least_of(most_of(x, 0), 1); }

NC_SHARED uint32_t nc_boxes(const nc_head *head, nc_candidate *room, uint32_t places, nc_box *boxes, uint32_t most)
{
    uint32_t left = gathered(head, room, places), kept = 0;
    /* The surest is taken out, and put to those that stay, at the front, unless one of them overlaps with it. */
    while (kept < left && kept < most) {
        uint32_t best = kept;
        for (uint32_t j = kept + 1; j < left; j++)
            if (before(room + j, room + best))
                best = j;
        const nc_candidate one = room[best];
        const corners box = decoded(head, one.number);
        const uint32_t of_class = one.number % head->classes;
        uint32_t k = 0;
        while (k < kept && !(boxes[k].of_class == of_class && overlapping(decoded(head, room[k].number), box, head->overlap)))
            k++;
        if (k < kept) {
            room[best] = room[--left];
            continue;
        }
        room[best] = room[kept];
        room[kept] = one;
        const float x = cut(box.left), y = cut(box.top);
        boxes[kept++] = (nc_box){of_class, one.score, x, y, cut(box.right) - x, cut(box.bottom) - y};
    }
    return kept;
}

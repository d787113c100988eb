/* Runs the network on its test vectors and says, by semihosting, which outputs differ; ends with 1 where one does. The last
 * line is for programs, in hexadecimal: outputs that differ, the largest difference of a float, ticks of one call,
 * bytes of stack that it used. */
#include "network.h"

#include "emulated.h"
#include "vectors.h"

#include <string.h>

#define STACK_WORDS 256
#define SHOWN 8 /* outputs that differ, at most */

extern uint32_t nc_stack_top;

/* A count, or what is left of a number behind its point, to so many digits. */
static void print_digits(uint32_t value, int digits)
{
    char text[11] = "0000000000";
    int k = 10;
    for (; value || digits > 0; value /= 10, digits--)
        text[--k] = (char)('0' + value % 10);
    print(text + k);
}

static void print_value(float value)
{
    if (!(value > -4e9f && value < 4e9f)) {
        print(value == value ? "a number beyond 4e9" : "no number");
        return;
    }
    if (value < 0) {
        print("-");
        value = -value;
    }
    const uint32_t whole = (uint32_t)value;
    print_digits(whole, 1);
    if (sizeof(nc_value) > 1) {
        print(".");
        print_digits((uint32_t)((value - (float)whole) * 1e6f), 6);
    }
}

/* The first ones that differ. */
static void print_wrong(int vector, int output, nc_value found, nc_value wanted)
{
    print("output ");
    print_digits((uint32_t)output, 1);
    print(" of input ");
    print_digits((uint32_t)vector, 1);
    print(" is ");
    print_value((float)found);
    print(", and must be ");
    print_value((float)wanted);
    print("\n");
}

static void print_verdict(uint32_t wrong)
{
    if (wrong) {
        print_digits(wrong, 1);
        print(" of ");
    } else {
        print("all ");
    }
    print_digits(NC_VECTORS * NC_OUTPUT_SIZE, 1);
    print(wrong ? " outputs differ\n" : " outputs are right\n");
}

/* Of a call with the input in place. */
static uint32_t ticks(void)
{
    start();
    nc_run(0, 0);
    return stopped();
}

/* Bytes below this function's frame that a call wrote. */
static __attribute__((noinline)) uint32_t painted(void)
{
    volatile uint32_t room[STACK_WORDS];
    for (int k = 0; k < STACK_WORDS; k++)
        room[k] = 0x5ca1ab1eu;
    __asm__ volatile("" ::"r"(room) : "memory");
    return (uint32_t)(uintptr_t)room;
}

static __attribute__((noinline)) uint32_t stack_used(void)
{
    const uint32_t *room = (const uint32_t *)painted();
    nc_run(0, 0);
    int untouched = 0;
    while (untouched < STACK_WORDS && room[untouched] == 0x5ca1ab1eu)
        untouched++;
    return 4u * (uint32_t)(STACK_WORDS - untouched);
}

int main(void)
{
    static nc_value out[NC_OUTPUT_SIZE];
    uint32_t wrong = 0;
    float worst = 0;
    for (int v = 0; v < NC_VECTORS; v++) {
        nc_run(nc_inputs[v], out);
        for (int k = 0; k < NC_OUTPUT_SIZE; k++) {
            const float apart = (float)out[k] - (float)nc_outputs[v][k];
            /* Written so that no number at all stays the worst. */
            if (!(apart <= worst && -apart <= worst))
                worst = apart < 0 ? -apart : apart;
            if (!(apart <= NC_ALLOWED && -apart <= NC_ALLOWED) && wrong++ < SHOWN)
                print_wrong(v, k, out[k], nc_outputs[v][k]);
        }
    }
    uint32_t bits;
    memcpy(&bits, &worst, 4);
    const uint32_t took = ticks();
    print_verdict(wrong);
    print("nc ");
    print_number(wrong);
    print_number(bits);
    print_number(took);
    print_number(stack_used());
    print("\n");
    semihosting(0x18, (const void *)(wrong ? 0x20024u : 0x20026u));
}

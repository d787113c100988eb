/* Times every operator and prints what it took as CSV, which `nascompile latency fit` reads. */
#include "board.h"
#include "operators.h"
#include "semihosting.h"

/* An operator is called until all calls together take so much. */
#define LEAST 100000u

__attribute__((weak)) void nc_board(void) {}

__attribute__((weak)) void nc_putchar(int c)
{
    const char character = (char)c;
    semihosting(3, &character);
}

static void print(const char *text)
{
    while (*text)
        nc_putchar(*text++);
}

static void print_number(uint32_t value)
{
    char digits[11];
    char *at = digits + 10;
    *at = 0;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    nc_putchar(',');
    print(at);
}

/* RISC-V counts instructions itself, or cycles. Of an Arm core, where NC_PER_TICK is given, SysTick is read, whose ticks are so many cycles, or instructions of an emulator; else the
 * cycle counter. */
#if defined(__riscv)
__attribute__((weak)) uint32_t nc_cycles(void)
{
    uint32_t count;
#if defined(NC_EMULATED)
    __asm__ volatile("csrr %0, minstret" : "=r"(count));
#else
    __asm__ volatile("csrr %0, mcycle" : "=r"(count));
#endif
    return count;
}

static void clock_init(void)
{
#if !defined(NC_EMULATED)
    __asm__ volatile("csrw 0x320, zero"); /* mcountinhibit: nothing stands still */
#endif
}

static uint32_t timed(const nc_row *row, uint32_t calls)
{
    const uint32_t start = nc_cycles();
    nc_run_row(row, calls);
    return nc_cycles() - start;
}
#elif defined(NC_PER_TICK)
static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u; /* control, reload, value */
static volatile uint32_t wraps;

void nc_systick(void) { wraps++; }

static void clock_init(void) {}

static uint32_t timed(const nc_row *row, uint32_t calls)
{
    wraps = 0;
    systick[1] = 0xffffff;
    systick[2] = 0;
    systick[0] = 7;
    nc_run_row(row, calls);
    const uint32_t left = systick[2];
    systick[0] = 0;
    return (wraps * 0x1000000u + (0xffffff - left)) * NC_PER_TICK;
}
#else
static volatile uint32_t *const demcr = (volatile uint32_t *)0xE000EDFCu;
static volatile uint32_t *const dwt = (volatile uint32_t *)0xE0001000u; /* control, cycles */

static void clock_init(void)
{
    *demcr |= 1u << 24;       /* trace on */
    dwt[0xFB0 / 4] = 0xC5ACCE55u; /* unlocks the registers of an M7 */
    dwt[1] = 0;
    dwt[0] |= 1;
}

static uint32_t timed(const nc_row *row, uint32_t calls)
{
    const uint32_t start = dwt[1];
    nc_run_row(row, calls);
    return dwt[1] - start;
}
#endif

int main(void)
{
    nc_board();
    clock_init();
    print("kernel,dtype,in_h,in_w,in_c,out_h,out_w,out_c,kernel_h,kernel_w,stride_h,stride_w,pad_top,pad_left,groups,");
    print("calls," NC_UNIT "\n");
    for (const nc_row *row = nc_rows; row < nc_rows + nc_row_count; row++) {
        const nc_op *op = &row->op;
        const uint32_t shape[] = {op->in_h, op->in_w, op->in_c, op->out_h, op->out_w, op->out_c, op->kernel_h,
            op->kernel_w, op->stride_h, op->stride_w, op->pad_top, op->pad_left, op->groups};
        uint32_t calls = 1, took = timed(row, 1);
        if (took < LEAST) {
            calls = 1 + LEAST / (took + 1);
            took = timed(row, calls);
        }
        print(row->kernel);
        nc_putchar(',');
        print(nc_dtype);
        for (uint32_t k = 0; k < sizeof(shape) / sizeof(shape[0]); k++)
            print_number(shape[k]);
        print_number(calls);
        print_number(took);
        nc_putchar('\n');
    }
    print("end\n");
#if defined(NC_EMULATED)
    semihosting(0x18, (const void *)0x20026);
#endif
    for (;;)
        ;
}

/* What a firmware on an emulated core needs: semihosting, and a count of instructions. */
#ifndef NC_EMULATED_H
#define NC_EMULATED_H

#include <stdint.h>
#include "semihosting.h"

static inline void print(const char *text) { semihosting(4, text); }

static inline void print_number(uint32_t value)
{
    char text[10] = "00000000 ";
    for (int k = 7; k >= 0; k--, value >>= 4)
        text[k] = "0123456789abcdef"[value & 15];
    print(text);
}

/* Under QEMU's -icount RISC-V counts instructions itself; of an Arm core SysTick counts, five a tick at shift 3. */
static volatile uint32_t nc_wraps;

#if defined(__riscv)
static inline uint32_t nc_instructions(void)
{
    uint32_t count;
    __asm__ volatile("csrr %0, minstret" : "=r"(count));
    return count;
}

static inline void start(void) { nc_wraps = nc_instructions(); }

static inline uint32_t stopped(void) { return nc_instructions() - nc_wraps; }
#else
void nc_systick(void) { nc_wraps++; }

static inline void start(void)
{
    volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u; /* control, reload, value */
    nc_wraps = 0;
    systick[1] = 0xffffff;
    systick[2] = 0;
    systick[0] = 7;
}

static inline uint32_t stopped(void)
{
    volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u;
    const uint32_t left = systick[2];
    systick[0] = 0;
    return nc_wraps * 0x1000000u + (0xffffff - left);
}
#endif

#endif

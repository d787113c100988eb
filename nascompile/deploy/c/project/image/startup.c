/* The start of a bare firmware: a vector table, RAM as C expects it, main. */
#include <stdint.h>

extern uint32_t nc_stack_top, nc_data, nc_data_end, nc_bss_end;
extern const uint32_t nc_data_image;
int main(void);

static void halt(void)
{
    for (;;)
        ;
}

/* Without calls of memcpy and memset, which would take half a kilobyte. */
__attribute__((optimize("no-tree-loop-distribute-patterns"))) static void reset(void)
{
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: the floating-point unit */
    __asm__ volatile("dsb\n\tisb");
#endif
    const uint32_t *from = &nc_data_image;
    for (uint32_t *to = &nc_data; to < &nc_bss_end; to++)
        *to = to < &nc_data_end ? *from++ : 0;
    main();
    halt();
}

__attribute__((weak)) void nc_systick(void) { halt(); }

/* Stack, then reset, NMI, faults, SVCall, debug, PendSV, SysTick. */
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &nc_stack_top, (void *)reset, (void *)halt, (void *)halt, (void *)halt, (void *)halt, (void *)halt, 0, 0, 0, 0,
    (void *)halt,  (void *)halt,  0,            (void *)halt, (void *)nc_systick,
};

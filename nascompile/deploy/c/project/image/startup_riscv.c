/* The start of a bare firmware: a stack, RAM as C expects it, main. */
#include <stdint.h>

extern uint32_t nc_data, nc_data_end, nc_bss_end;
extern const uint32_t nc_data_image;
int main(void);

/* First in flash; the debugger, the loader or a boot ROM jumps here. */
__asm__(".section .vectors, \"ax\"\n.globl _start\n_start:\nla sp, nc_stack_top\nj nc_reset\n.text");

/* Without calls of memcpy and memset, which would take half a kilobyte. */
__attribute__((optimize("no-tree-loop-distribute-patterns"), used)) void nc_reset(void)
{
    const uint32_t *from = &nc_data_image;
    for (uint32_t *to = &nc_data; to < &nc_bss_end; to++)
        *to = to < &nc_data_end ? *from++ : 0;
    main();
    for (;;)
        ;
}

/* The call by which a firmware asks its debugger, or emulator, for something; gives the answer. */
#ifndef NC_SEMIHOSTING_H
#define NC_SEMIHOSTING_H

#include <stdint.h>

static inline int32_t semihosting(uint32_t operation, const void *argument)
{
#if defined(__riscv)
    /* By these three instructions together, none of them short. */
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".option push\n.option norvc\n.balign 16\nslli zero, zero, 0x1f\nebreak\nsrai zero, zero, 7\n"
                     ".option pop"
                     : "+r"(a0) : "r"(a1) : "memory");
    return (int32_t)a0;
#else
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
#endif
}

#endif

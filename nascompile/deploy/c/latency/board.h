/* What a board may do better than latency.c: define either function in a file of board/, and it takes the place of the
 * one there. */
#ifndef NC_BOARD_H
#define NC_BOARD_H

#include <stdint.h>

/* Called first: set the clock that you will run the network at, with its flash wait states, caches and accelerators.
 * Without it the chip stays as it leaves reset. */
void nc_board(void);

/* One character to wherever you read them; without it semihosting, which stops a board that has no debugger. */
void nc_putchar(int c);

/* Of RISC-V: cycles so far; without it `mcycle`. ESP32-C3 and C6 count in a register of their own, mpccr (0x7e2), once
 * mpcer (0x7e0) and mpcmr (0x7e1) say 1. */
uint32_t nc_cycles(void);

#endif

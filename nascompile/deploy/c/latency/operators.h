/* A table of operators whose shapes were drawn at random: what latency.c runs, one after another. */
#ifndef NC_OPERATORS_H
#define NC_OPERATORS_H

#include "nc_kernels.h"

typedef struct {
    nc_op op;
    const char *kernel;
} nc_row;

extern const nc_row nc_rows[];
extern const uint32_t nc_row_count;
extern const char nc_dtype[];

/* Run a row; it knows the type of the arena. */
void nc_run_row(const nc_row *row, uint32_t calls);

#endif

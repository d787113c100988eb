/* Runs the network on raw examples: reads them from build/examples.raw, one after another as an array of nc_raw, and
 * writes for each of them to build/examples.found the input that was made, the output, and what was understood.
 * On this computer by files, on an emulated core by semihosting, where it prints, in hexadecimal, ticks of
 * nc_prepare and of all from raw samples on. */
#include "network.h"
#include "answer.h"

#include <string.h>

#if defined(__arm__) || defined(__riscv)
#include "emulated.h"

static int32_t opened(const char *name, uint32_t mode)
{
    const uint32_t block[3] = {(uint32_t)(uintptr_t)name, mode, (uint32_t)strlen(name)};
    return semihosting(1, block);
}

/* Whether all was read or written. */
static int moved(uint32_t operation, int32_t file, const void *data, uint32_t size)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)(uintptr_t)data, size};
    return semihosting(operation, block) == 0;
}

#define OPEN_TO_READ(name) opened(name, 1)
#define OPEN_TO_WRITE(name) opened(name, 5)
#define READ(file, data, size) moved(6, file, data, size)
#define WRITE(file, data, size) moved(5, file, data, size)
#define CLOSE(file) semihosting(2, &file)
#define NONE(file) ((file) < 0)
typedef int32_t file_t;
#else
#include <stdio.h>

typedef FILE *file_t;
#define OPEN_TO_READ(name) fopen(name, "rb")
#define OPEN_TO_WRITE(name) fopen(name, "wb")
#define READ(file, data, size) (fread(data, 1, size, file) == (size))
#define WRITE(file, data, size) (fwrite(data, 1, size, file) == (size))
#define CLOSE(file) fclose(file)
#define NONE(file) (!(file))
#endif

int main(void)
{
    static nc_raw raw[NC_RAW_SIZE];
    static nc_answer answer;
    file_t from = OPEN_TO_READ("build/examples.raw"), to = OPEN_TO_WRITE("build/examples.found");
    int good = !NONE(from) && !NONE(to);
    while (good && READ(from, raw, sizeof(raw))) {
        nc_prepare(raw);
        good &= WRITE(to, nc_input(), NC_INPUT_SIZE * sizeof(nc_value));
        memset(&answer, 0, sizeof(answer));
        nc_ask(raw, &answer);
        good &= WRITE(to, nc_output(), NC_OUTPUT_SIZE * sizeof(nc_value));
        good &= WRITE(to, &answer, sizeof(answer));
    }
    if (good) {
        CLOSE(from);
        good &= CLOSE(to) == 0;
    }
#if defined(__arm__) || defined(__riscv)
    start();
    nc_prepare(raw);
    const uint32_t prepared = stopped();
    start();
    nc_ask(raw, &answer);
    const uint32_t asked = stopped();
    print(good ? "nc " : "failed ");
    print_number(prepared);
    print_number(asked);
    print("\n");
    semihosting(0x18, (const void *)0x20026);
#endif
    return !good;
}

/* A plugin of QEMU that counts how often each block of instructions runs in each call of a function:
 *
 *     cc -shared -fPIC blocks.c -o blocks.so
 *     qemu-system-arm ... -plugin blocks.so,out=FILE,start=ADDRESS,stop=ADDRESS
 *
 * From the instruction at `start` to the one at `stop`, which may be given several times, is a call. FILE has a line for
 * each block of it, in hexadecimal: address, instructions, runs, and how many of these ended in a branch that was taken;
 * then an empty line. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of qemu-plugin.h, which no package holds: version 1 of the interface. */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*on_translation)(uint64_t id, struct qemu_plugin_tb *block);
typedef void (*on_run)(unsigned cpu, void *of);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_translation);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, on_run, int flags, void *of);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t k);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

int qemu_plugin_version = 1;

typedef struct block {
    uint64_t first, last, end; /* addresses of its first and its last instruction, and of what follows */
    uint64_t instructions, runs, taken;
    struct block *next;
} block;

#define STOPS 8

static FILE *out;
static uint64_t start, stops[STOPS];
static int stop_count;
static block *all, *before; /* of a call the block that ran last */
static int inside;

static int stops_at(uint64_t address)
{
    for (int k = 0; k < stop_count; k++)
        if (stops[k] == address)
            return 1;
    return 0;
}

static void finish(void)
{
    for (block *b = all; b; b = b->next) {
        if (b->runs)
            fprintf(out, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", b->first, b->instructions, b->runs, b->taken);
        b->runs = b->taken = 0;
    }
    fputc('\n', out);
    fflush(out);
    inside = 0;
}

static void ran(unsigned cpu, void *of)
{
    block *b = of;
    (void)cpu;
    if (!inside) {
        if (b->first != start)
            return;
        inside = 1, before = NULL;
    }
    if (before && before->end != b->first)
        before->taken++;
    b->runs++;
    before = b;
    if (stops_at(b->last)) {
        b->taken++;
        finish();
    }
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    block *b = calloc(1, sizeof *b);
    (void)id;
    b->instructions = qemu_plugin_tb_n_insns(tb);
    const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, b->instructions - 1);
    b->first = qemu_plugin_tb_vaddr(tb), b->last = qemu_plugin_insn_vaddr(last);
    b->end = b->last + qemu_plugin_insn_size(last);
    b->next = all, all = b;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, ran, 0, b);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int k = 0; k < argc; k++)
        if (!strncmp(argv[k], "out=", 4))
            out = fopen(argv[k] + 4, "w");
        else if (!strncmp(argv[k], "start=", 6))
            start = strtoull(argv[k] + 6, NULL, 0);
        else if (!strncmp(argv[k], "stop=", 5) && stop_count < STOPS)
            stops[stop_count++] = strtoull(argv[k] + 5, NULL, 0);
    if (!out || !stop_count)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}

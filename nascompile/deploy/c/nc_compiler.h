/* What some compilers know and standard C cannot say; of another compiler's each word means nothing. */
#ifndef NC_COMPILER_H
#define NC_COMPILER_H

#if defined(__GNUC__) /* clang and Arm Compiler 6, too */
/* Of a function that several networks of a firmware bring the linker keeps one. */
#define NC_SHARED __attribute__((weak))
#define NC_NOINLINE __attribute__((noinline))
#define NC_INLINE inline __attribute__((always_inline))
#define NC_ALIGNED __attribute__((aligned(4)))
/* Of a type: what is read by it may have been written by another. */
#define NC_ALIAS __attribute__((may_alias))
#define NC_IN(name) __attribute__((section(name)))
/* Of a type: it begins at a multiple of four bytes, pointers of eight bytes, too. */
#define NC_BY_WORDS __attribute__((aligned(4)))
/* A pointer to what begins at a multiple of four bytes. */
#define NC_WORDS(pointer) __builtin_assume_aligned(pointer, 4)
#else
#if defined(__ICCARM__)
#define NC_SHARED __weak
#define NC_IN(name) @name
#define NC_ALIGNED _Pragma("data_alignment=4")
#else
#define NC_SHARED
#define NC_IN(name)
#define NC_ALIGNED
#endif
#define NC_NOINLINE
#define NC_INLINE inline
#define NC_ALIAS
#define NC_BY_WORDS
#define NC_WORDS(pointer) ((void *)(uintptr_t)(pointer))
#endif

#define NC_TEXT(word) #word
#define NC_QUOTED(word) NC_TEXT(word)

/* How gcc is to compile a function; clang would warn of it. */
#if defined(__GNUC__) && !defined(__clang__)
#define NC_OPTIMIZE(...) __attribute__((optimize(__VA_ARGS__)))
#else
#define NC_OPTIMIZE(...)
#endif

/* Loops whose numbers all fit into registers, if a compiler does not make more of them. */
#define NC_AS_IT_IS \
    NC_OPTIMIZE("no-ivopts", "no-tree-loop-im", "no-gcse", "no-tree-scev-cprop", "no-schedule-insns2")

#endif

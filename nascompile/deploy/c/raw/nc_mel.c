#include "nc_mel.h"
#include "nc_compiler.h"

typedef struct {
    float re, im;
} complex_t;

typedef union {
    float value;
    uint32_t bits;
} float_bits;

/* cos and sin of 2 pi k / 2^bits, for k up to half of 2^bits. */
static inline complex_t turned(const nc_mel *mel, uint32_t k)
{
    const uint32_t quarter = 1u << (mel->bits - 2);
    if (k <= quarter)
        return (complex_t){mel->sine[quarter - k], mel->sine[k]};
    return (complex_t){-mel->sine[k - quarter], mel->sine[2 * quarter - k]};
}

static float square_root(float x)
{
#if defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP) && (__ARM_FP & 4)
    float root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
    return root;
#else
    /* By Newton, from a guess by the exponent, 1 / root first. */
    float_bits guess = {.value = x};
    guess.bits = 0x5f375a86u - (guess.bits >> 1);
    float y = guess.value;
    for (int k = 0; k < 3; k++)
        y *= 1.5f - 0.5f * x * y * y;
    return x * y;
#endif
}

/* Natural, of normal positive numbers; Cephes' polynomial, to 2 units in the last place. */
static float logarithm(float x)
{
    float_bits of = {.value = x};
    const int32_t exponent = (int32_t)(of.bits - 0x3f3504f3u) >> 23; /* so that what is left is from sqrt(1/2) to sqrt(2) */
    of.bits -= (uint32_t)exponent << 23;
    const float f = of.value - 1, z = f * f;
    float y = 7.0376836292e-2f;
    y = y * f - 1.1514610310e-1f;
    y = y * f + 1.1676998740e-1f;
    y = y * f - 1.2420140846e-1f;
    y = y * f + 1.4249322787e-1f;
    y = y * f - 1.6668057665e-1f;
    y = y * f + 2.0000714765e-1f;
    y = y * f - 2.4999993993e-1f;
    y = y * f + 3.3333331174e-1f;
    return f + (y * f * z - 0.5f * z) + (float)exponent * 0.69314718056f;
}

/* Samples under the window, two as one complex number, in the order of their reversed numbers. */
static void load(const nc_mel *mel, const int16_t *samples, complex_t *x)
{
    const uint32_t n = 1u << (mel->bits - 1), window = mel->window;
    uint32_t reversed = 0;
    for (uint32_t k = 0; k < n; k++) {
        float pair[2] = {0, 0};
        for (uint32_t j = 0; j < 2; j++) {
            const uint32_t at = 2 * k + j;
            if (at < window)
                pair[j] = (float)samples[at] * mel->hann[at <= window / 2 ? at : window - at];
        }
        x[reversed] = (complex_t){pair[0], pair[1]};
        uint32_t bit = n >> 1;
        for (; reversed & bit; bit >>= 1)
            reversed ^= bit;
        reversed |= bit;
    }
}

/* The Fourier transform of 2^(bits - 1) complex numbers in place, radix 2, whose input is in reversed order. */
static void transform(const nc_mel *mel, complex_t *x)
{
    const uint32_t n = 1u << (mel->bits - 1);
    for (uint32_t half = 1; half < n; half *= 2)
        for (uint32_t k = 0; k < half; k++) {
            const complex_t w = turned(mel, k * (n / half));
            for (complex_t *a = x + k; a < x + n; a += 2 * half) {
                complex_t *b = a + half;
                const float re = w.re * b->re + w.im * b->im, im = w.re * b->im - w.im * b->re;
                *b = (complex_t){a->re - re, a->im - im};
                *a = (complex_t){a->re + re, a->im + im};
            }
        }
}

/* |X[k]| of the real transform, of the complex one of even and odd samples. */
static float magnitude(const nc_mel *mel, const complex_t *x, uint32_t k)
{
    const uint32_t n = 1u << (mel->bits - 1);
    const complex_t w = turned(mel, k), a = x[k & (n - 1)], b = x[(n - k) & (n - 1)];
    const float even_re = a.re + b.re, even_im = a.im - b.im, odd_re = a.im + b.im, odd_im = b.re - a.re;
    const float re = even_re + (w.re * odd_re + w.im * odd_im), im = even_im + (w.re * odd_im - w.im * odd_re);
    return 0.5f * square_root(re * re + im * im);
}

NC_SHARED void nc_mel_frame(const nc_mel *mel, const int16_t *samples, float *room)
{
    complex_t *x = (complex_t *)room;
    float *energies = room + (1u << mel->bits);
    const uint32_t bins = mel->bins, width = mel->width;
    load(mel, samples, x);
    transform(mel, x);

    /* Between two edges one triangle rises, and the one before it falls. */
    const float *rise = mel->rise;
    uint32_t k = mel->lowest;
    float falling = 0;
    for (uint32_t t = 0; t <= bins; t++) {
        float rising = 0;
        for (uint32_t end = k + mel->edges[t]; k < end; k++) {
            const float size = magnitude(mel, x, k), part = size * *rise++;
            rising += part;
            falling += size - part;
        }
        if (t)
            energies[t - 1] = logarithm(falling + 1e-6f);
        falling = rising;
    }

    if (!mel->cosine) {
        for (uint32_t j = 0; j < width; j++)
            room[j] = energies[j];
        return;
    }
    /* Even coefficients are those of the sums of energies from both ends, odd ones those of their differences. */
    for (uint32_t c = 0; c < width; c++)
        room[c] = 0;
    for (uint32_t j = 0; j < (bins + 1) / 2; j++) {
        const float a = energies[j], b = energies[bins - 1 - j], sum = j == bins - 1 - j ? a : a + b;
        const float *cosine = mel->cosine + j * width;
        for (uint32_t c = 0; c < width; c++)
            room[c] += (c & 1 ? a - b : sum) * cosine[c];
    }
}

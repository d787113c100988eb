/* Spectral features of sound: log-mel energies and MFCCs, in single precision, a frame at a time.
 *
 * A frame under a Hann window, filled with zeros to a power of two; the magnitude of its Fourier transform; triangles on
 * the mel scale; the logarithm of each sum and 1e-6; for MFCCs the cosine transform. Nothing of libm is called. */
#ifndef NC_MEL_H
#define NC_MEL_H

#include <stdint.h>

/* What is computed; all of it lies in flash. */
typedef struct {
    uint16_t window, stride;           /* samples of a frame, and from frame to frame */
    uint16_t bits;                     /* the transform has 2^bits samples */
    uint16_t bins, width;              /* triangles; numbers of a frame */
    uint16_t lowest;                   /* the first frequency in a triangle */
    const float *hann;                 /* [window / 2 + 1], the other half is its mirror image; the samples' scale is in it */
    const float *sine;                 /* [2^bits / 4 + 1], sin(2 pi k / 2^bits) */
    const uint16_t *edges;             /* [bins + 1], frequencies between an edge of a triangle and the next one */
    const float *rise;                 /* of each of these, how far it is from the one to the other, 0 to 1 */
    const float *cosine;               /* [(bins + 1) / 2][width], the rest is its mirror image; 0 for log-mel energies */
} nc_mel;

/* Floats that a frame needs beside its samples. */
#define NC_MEL_ROOM(bits, bins) ((1u << (bits)) + (bins))

/* The features of one frame.
 * samples: [window]. room: [NC_MEL_ROOM]; its first `width` numbers are the result. */
void nc_mel_frame(const nc_mel *mel, const int16_t *samples, float *room);

#endif

#include "nc_kernels.h"

#if defined(NC_HALVES)
/* The upper 32 bits of a product, of products of halves: no sum of these is too large for 32 bits. */
NC_SHARED int32_t nc_rescale(int32_t v, const nc_factor *by)
{
    const int32_t upper = v >> 16, lower = v & UINT16_MAX;
    const int32_t by_upper = by->multiplier >> 16, by_lower = by->multiplier & UINT16_MAX;
    const int32_t middle = upper * by_lower + (int32_t)((uint32_t)lower * (uint32_t)by_lower >> 16);
    const int32_t other = lower * by_upper + (middle & UINT16_MAX);
    return (upper * by_upper + (middle >> 16) + (other >> 16) + by->half) >> by->right;
}
#endif

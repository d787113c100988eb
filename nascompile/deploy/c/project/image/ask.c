/* The least firmware around the network: whoever brings samples and takes the answer goes here. */
#include "network.h"

/* RAM behind all that this image uses, by its linker script: samples are not counted. */
extern const nc_raw nc_samples[NC_RAW_SIZE];

int main(void)
{
    for (;;) {
@ASK@
    }
}

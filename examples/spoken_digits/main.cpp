// Spoken digits on a Cortex-M4: raw sound in, how often the answer is right out. Files come through the emulator.
#include "digits.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern "C" void initialise_monitor_handles();

static digits_raw clip[DIGITS_RAW_SIZE];

template <typename Value> static bool next(int file, Value &value)
{
    return read(file, &value, sizeof value) == int(sizeof value);
}

int main()
{
    initialise_monitor_handles();
    const int clips = open("clips.raw", O_RDONLY), labels = open("labels.raw", O_RDONLY);
    unsigned all = 0, right = 0;
    for (unsigned char label; next(clips, clip) && next(labels, label); all++)
        right += digits_classify(clip) == label;
    const unsigned share = all ? (10000 * right + all / 2) / all : 0;
    printf("%u of %u clips are heard right: %u.%02u %%\n", right, all, share / 100, share % 100);
    exit(all == 0);
}

"""Search the conventions under which an ordered ConvMixer space has the EBS paper's 17,154 feasible members.

    python benchmarks/convmixer_count.py               # a few minutes; prints every convention within one of 17,154

The widths of a network never increase, or never decrease, along its layers: at most 319,770 networks a depth, which are
listed. Every convention is a combination of what the paper leaves open; those with the budgets that reproduce its
DS-CNN (no biases, the classifier counted, at most 1,000,000 B of ROM and 262,144 B of RAM) are marked `<- DS-CNN`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PUBLISHED = 17_154
WIDTHS = np.arange(64, 177, 16)
#: Channels of 16 x 16 floats that fit: 262,144 B, and anything from 245,760 B (256,000 B among them) to one byte less.
RAM = {"ram <= 262,144": 256, "ram <= 256,000 or < 262,144": 255}
ROM = (1_000_000, 1_024_000, 1_048_576)
DEPTHS = ((8, 16), (7, 15), (8, 15), (7, 16), (9, 16), (9, 17))
IMAGE = 12  # the image, 3 x 32 x 32 floats, in channels of 16 x 16 floats
BIASES = ("no biases", "a bias per pointwise output", "a bias per output", "two per output", "four per output")

Ints = NDArray[np.int64]


class Networks(NamedTuple):
    """All networks with so many blocks: widths [n, blocks], width of the patch embedding [n], layers [n, numbered]."""

    blocks: Ints
    embedding: Ints
    layers: Ints


def networks(order: str, embedding: str, count: int) -> Networks:
    """The networks of `count` decisions."""
    chosen = WIDTHS[np.array(list(combinations_with_replacement(range(len(WIDTHS)), count)))]
    widths = chosen[:, ::-1] if order == "never wider" else chosen
    if embedding == "the first decision":
        return Networks(widths[:, 1:], widths[:, 0], widths)
    if embedding == "a decision of its own":
        own = np.tile(WIDTHS, len(widths))
        widths = np.repeat(widths, len(WIDTHS), axis=0)
    else:
        own = widths[:, 0] if embedding == "as the first block" else np.full(len(widths), int(embedding))
    return Networks(widths, own, np.concatenate([own[:, None], widths], axis=1))


def buffers(some: Networks) -> Iterator[tuple[str, Ints]]:
    """The RAM in channels of 16 x 16 floats, by what is numbered and what is alive."""
    for name, layers in (("numbered with the embedding", some.layers), ("blocks numbered", some.blocks)):
        odd, even = layers[:, 0::2].max(axis=1), layers[:, 1::2].max(axis=1)
        yield name, odd + np.maximum(even, IMAGE)
    yield "depthwise and pointwise numbered", 2 * some.layers.max(axis=1)
    yield "skip, sum and output alive", (2 * some.layers[:, :-1] + some.layers[:, 1:]).max(axis=1)


def weights(some: Networks) -> Iterator[tuple[tuple[str, ...], Ints]]:
    """The weights by what is counted."""
    taken = some.layers[:, -some.blocks.shape[1] - 1 : -1]
    pointwise, outputs = (taken * some.blocks).sum(axis=1), some.blocks.sum(axis=1)
    for on, counted, classifier, bias in product(("input", "output"), (True, False), range(3), range(len(BIASES))):
        depthwise = taken.sum(axis=1) if on == "input" else outputs
        total = pointwise + 49 * depthwise + (12 * some.embedding if counted else 0)
        total = total + (0, 10, 10)[classifier] * some.blocks[:, -1] + (0, 0, 10)[classifier]
        channels = outputs + (depthwise if bias > 1 else 0) + (some.embedding if counted else 0)
        total = total + (0, 1, 1, 2, 4)[bias] * channels
        said = (
            f"depthwise on the block's {on}",
            "embedding counted" if counted else "embedding not counted",
            ("no classifier", "classifier", "classifier with biases")[classifier],
            BIASES[bias],
        )
        yield said, total


def counts(order: str, embedding: str) -> dict[tuple[str, ...], Ints]:
    """By convention, the feasible networks per number of decisions (from 7 to 17) and ROM budget."""
    result: dict[tuple[str, ...], list[Ints]] = {}
    for count in range(7, 18):
        some = networks(order, embedding, count)
        rams = dict(buffers(some))
        fits = np.minimum.reduce(list(rams.values())) <= max(RAM.values())
        some = Networks(*(part[fits] for part in some))
        for said, total in weights(some):
            for (name, ram), (bound, most) in product(rams.items(), RAM.items()):
                rom = np.sort(4 * total[ram[fits] <= most])
                result.setdefault((name, bound, *said), []).append(np.searchsorted(rom, ROM, "right"))
    return {said: np.array(found) for said, found in result.items()}


def main() -> None:
    tried = 0
    embeddings = ("the first decision", "as the first block", "a decision of its own", *map(str, WIDTHS))
    for order, embedding in product(("never wider", "never narrower"), embeddings):
        for said, found in counts(order, embedding).items():
            for (least, most), (k, rom) in product(DEPTHS, enumerate(ROM)):
                total = int(found[least - 7 : most - 6, k].sum())
                tried += 1
                if abs(total - PUBLISHED) <= 1:
                    dscnn = rom == ROM[0] and {"no biases", "classifier", "ram <= 262,144"} <= {*said}
                    words = (order, f"embedding {embedding}", f"{least} to {most}", f"rom <= {rom:,}", *said)
                    print(f"{total:,}: {', '.join(words)}{' <- DS-CNN' if dscnn else ''}", flush=True)
    print(f"{tried:,} conventions tried")


if __name__ == "__main__":
    main()

"""Series [channels, length] as the input of a network, the shorter ones padded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nascompile.data.digest import content_digest
from nascompile.data.examples import Decoded, bad_data, input_hint, sides

__all__ = ["series_input"]


def series_input(
    source: str, series: Sequence[NDArray[np.float32]], shape: tuple[int, ...], more: str = ""
) -> Callable[[NDArray[np.intp]], Decoded]:
    """What decodes some of the series, for `Examples.read`.

    Inputs are (channels, length), the same as a vector (channels * length,), or an image (1, length, channels). Where
    series differ in length, the shorter are padded at their end, after normalisation, with 0: the mean of the training
    part. Mean and deviation are taken over what is no padding.

    Args:
        source: of the series, for messages.
        series: of each example [channels, length].
        shape: of the input.
        more: what else may help where they do not fit.

    Raises:
        FileError: they do not fit.
    """
    lengths = np.array([one.shape[1] for one in series], np.int64)
    channels, length = _fitting(source, series, lengths, shape, more=more)
    unequal = bool((lengths != length).any())
    notes = (
        {"padded": f"with 0 after normalisation, from lengths {lengths.min()} to {lengths.max()}"} if unequal else {}
    )

    def decode(chosen: NDArray[np.intp]) -> Decoded:
        x = np.zeros((len(chosen), channels, length), np.float32)
        for row, i in enumerate(chosen):
            x[row, :, : lengths[i]] = series[i]
        digests = [content_digest(np.ascontiguousarray(series[i]).tobytes()) for i in chosen]
        if len(shape) == 3:
            return Decoded(np.ascontiguousarray(x.transpose(0, 2, 1))[:, None], 3, digests=digests)
        return Decoded(x, 1, lengths[chosen] if unequal else None, notes=notes, digests=digests)

    return decode


def _fitting(
    source: str, series: Sequence[NDArray[np.float32]], lengths: NDArray[np.int64], shape: tuple[int, ...], more: str
) -> tuple[int, int]:
    """Channels and length of the network's input."""
    channels = {one.shape[0] for one in series}
    if len(channels) > 1:
        raise bad_data(f"the series of `{source}` differ in their number of channels", "give them one number of them")
    (own,) = channels
    least, most = int(lengths.min()), int(lengths.max())
    if len(shape) == 1:
        wanted = (own, shape[0] // own) if shape[0] % own == 0 else (1, shape[0])
    else:
        wanted = (shape[0], shape[1]) if len(shape) == 2 else (shape[2], shape[1])
    fits = most == wanted[1] if least == most else most <= wanted[1] and len(shape) < 3
    if own == wanted[0] and fits and (len(shape) < 3 or shape[0] == 1):
        return wanted
    span = str(most) if least == most else f"{least} to {most}"
    message = f"the series of `{source}` are {own}x{span}, the network's input is {sides(shape)}"
    image = len(shape) == 3 and (shape[0], shape[2]) == (1, own)
    mine = (own * most,) if len(shape) == 1 else (1, most, own) if image else (own, most)
    raise bad_data(message, "; ".join(filter(None, [input_hint(mine, shape), more])), "bad-shape")

"""From the recordings of the Free Spoken Digit Dataset: `digits.npz` to learn from, and its test part as a microphone
would give it: `clips.raw`, 7,920 samples of int16 each, and `labels.raw`, a byte each."""

import sys
import wave
from pathlib import Path

import numpy as np

clips, labels, tested = [], [], []
for path in sorted(Path(sys.argv[1]).glob("*.wav")):  # 7_jackson_31.wav
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    digit, _, number = path.stem.split("_")
    samples = samples[max(0, len(samples) - 8000) // 2 :][:8000]
    before = (8000 - len(samples)) // 2  # the middle of a second
    clips.append(np.pad(samples, (before, 8000 - len(samples) - before)))
    labels.append(int(digit))
    tested.append(int(number) < 5)
x, y, is_test = np.stack(clips), np.array(labels, np.uint8), np.array(tested)
np.savez("digits.npz", x=x, y=y, is_test=is_test)
x[is_test, :7920].tofile("clips.raw")
y[is_test].tofile("labels.raw")

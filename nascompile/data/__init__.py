"""Data sets: files of images, sounds, series and boxes become arrays of a network's input, in three parts."""

from nascompile.data.audio_features import AudioFeatures
from nascompile.data.columns import Columns
from nascompile.data.dataset import Dataset, Part, Task
from nascompile.data.load import load_dataset

__all__ = ["AudioFeatures", "Columns", "Dataset", "Part", "Task", "load_dataset"]

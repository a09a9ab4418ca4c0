"""The twelve named sets from their published files, kept prepared by TensorFlow Datasets."""

from tsrl.data.builders.prepared import is_prepared, prepare, read_classification, read_forecasting, tfds_folder

__all__ = ["is_prepared", "prepare", "read_classification", "read_forecasting", "tfds_folder"]

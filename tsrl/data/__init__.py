"""Data sets by name or file, checks and preparation of series, scaling; numpy only."""

from tsrl.data.dataset import Dataset
from tsrl.data.named import available, load
from tsrl.data.scaling import Scaler, fit_archive_scaler
from tsrl.data.series import check_series, prepare_train

__all__ = ["Dataset", "Scaler", "available", "check_series", "fit_archive_scaler", "load", "prepare_train"]

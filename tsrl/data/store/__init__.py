"""Series in Parquet files, more of them than memory holds: read, written, ordered, loaded."""

from tsrl.data.store.order import store_sample
from tsrl.data.store.read import Store, is_store, open_store
from tsrl.data.store.scaler import store_scaler
from tsrl.data.store.write import write_store

__all__ = ["Store", "is_store", "open_store", "store_sample", "store_scaler", "write_store"]

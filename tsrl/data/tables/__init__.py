"""Tables of the user's own data: settings of their columns, series with ids, a validation report, splits."""

from tsrl.data.tables.settings import Table

__all__ = ["Table"]

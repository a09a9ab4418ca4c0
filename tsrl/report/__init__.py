"""What a run leaves for a reader: the table of results, the HTML page, and the published numbers beside them."""

from tsrl.report.page import write_page
from tsrl.report.published import Published, published
from tsrl.report.table import mean_and_std, results_table

__all__ = ["Published", "mean_and_std", "published", "results_table", "write_page"]

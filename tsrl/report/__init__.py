"""What runs leave for a reader: tables, HTML pages, the comparison of data sets, and published numbers beside ours."""

from tsrl.report.behaviour import behaviour_page
from tsrl.report.collected import collected
from tsrl.report.comparison import comparison_tables, score_matrix, write_comparison
from tsrl.report.embedding_map import map_plot
from tsrl.report.explorer import explorer_page
from tsrl.report.page import write_page
from tsrl.report.published import published_rows
from tsrl.report.schema import check_report, read_report
from tsrl.report.table import results_tables

__all__ = [
    "behaviour_page",
    "check_report",
    "collected",
    "comparison_tables",
    "explorer_page",
    "map_plot",
    "published_rows",
    "read_report",
    "results_tables",
    "score_matrix",
    "write_comparison",
    "write_page",
]

"""Embeds data sets of any size from files to files: part by part, resumable, in this process or on Ray."""

from tsrl.bulk.job import Embed
from tsrl.bulk.run import Summary, embed_files

__all__ = ["Embed", "Summary", "embed_files"]

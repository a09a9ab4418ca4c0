"""Parts of `pair_construction.py` alone: what is judged, and what is shown."""

"""Bridges to other libraries: published PyTorch weights, scikit-learn."""

"""The tasks of `behaviour`: data, splits, models, controls, scores."""

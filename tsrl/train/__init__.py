"""The training loop: pmapped steps, checkpoints, metrics."""

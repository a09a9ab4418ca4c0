"""The statistics of a monitor that judges units (a user's week, a session, a window of a series) by their scores."""

"""Evaluation of frozen representations: pure functions of arrays that know no method."""

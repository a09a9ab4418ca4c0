"""Calls after every epoch: when, with what, and again after a kill; they change nothing."""

import signal

import jax
import numpy as np
import pytest
from test_contract import METHODS, Killed, assert_equal, train

from tsrl.train.checkpoints import Checkpoints


class Seen:
    """Keeps what it was called with."""

    def __init__(self):
        self.steps, self.states = {}, {}

    def __call__(self, epoch, state, stopping):
        assert not stopping()
        self.steps[epoch] = int(state.step[0])
        self.states[epoch] = np.asarray(state.step), [np.asarray(leaf) for leaf in jax.tree.leaves(state.params)]
        return True


@pytest.mark.parametrize("settings", [{}, {"at_once": 4}, {"seeds": (0, 5)}])
def test_they_come_after_the_last_update_of_every_epoch(settings):
    seen = Seen()
    plain, called = train("teacher", **settings), train("teacher", **settings, every_epoch=[seen])
    # Epochs have 5 steps; the third is not finished.
    assert seen.steps == {0: 5, 1: 10}
    assert_equal(called.state, plain.state)
    assert called.history == plain.history


def test_they_follow_the_plans_of_a_method():
    seen = Seen()
    train("clusters", every_epoch=[seen])
    assert list(seen.steps) == list(range(len(seen.steps)))
    assert METHODS["clusters"][0]().before_epoch is not None


@pytest.mark.parametrize("killed_at", [5, 7])
def test_a_resumed_run_calls_them_with_the_same_state(tmp_path, killed_at):
    whole = Seen()
    train("teacher", every_epoch=[whole])
    first, second = Seen(), Seen()

    def kill(step, row, speed):
        if row is not None and step >= killed_at:
            raise Killed

    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(Killed):
        train("teacher", every_epoch=[first], checkpoints=checkpoints, checkpoint_every=3, report=kill, report_every=1)
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path)
    train("teacher", every_epoch=[second], checkpoints=checkpoints, checkpoint_every=3)
    checkpoints.close()
    assert set(first.states) | set(second.states) == {0, 1}
    for seen in (first, second):
        for epoch, state in seen.states.items():
            assert_equal(state, whole.states[epoch])


def test_one_that_is_asked_to_stop_gives_the_epoch_back(tmp_path):
    whole = train("teacher")
    seen, again = [], []

    def interrupted(epoch, state, stopping):
        seen.append(epoch)
        if epoch == 1:
            signal.raise_signal(signal.SIGTERM)
            assert stopping()
            return False
        return True

    checkpoints = Checkpoints(tmp_path)
    found = train("teacher", every_epoch=[interrupted], checkpoints=checkpoints, checkpoint_every=3)
    checkpoints.close()
    # Epoch 1 ended with update 10; the checkpoint before is that of update 9.
    assert (found.stopped, int(found.state.step[0]), seen) == (signal.SIGTERM, 9, [0, 1])
    checkpoints = Checkpoints(tmp_path)
    resumed = train("teacher", every_epoch=[lambda epoch, *_: again.append(epoch) or True], checkpoints=checkpoints)
    checkpoints.close()
    assert again == [1]
    assert_equal(resumed.state, whole.state)
    # Without a checkpoint nothing was begun.
    nothing = train("teacher", every_epoch=[interrupted])
    assert int(nothing.state.step[0]) == 0

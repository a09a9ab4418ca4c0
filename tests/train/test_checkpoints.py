"""What of a checkpoint folder no run can show every time: a reader beside a save in progress."""

import time

import numpy as np
import orbax.checkpoint as ocp

from tsrl.train.checkpoints import Checkpoints, like


def test_a_reader_waits_for_the_save_in_progress_and_what_it_removes(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, keep=2)
    trees = [{"weights": np.full(5, step, np.float32)} for step in range(5)]
    for step in (1, 2, 3):
        checkpoints.save(step, {"model": trees[step]}, {"step": step})
    checkpoints.wait()

    finished = []
    finalise = ocp.CheckpointManager._finalize

    def slowly(manager, *args, **kwargs):
        time.sleep(0.5)
        found = finalise(manager, *args, **kwargs)
        finished.append(True)
        return found

    monkeypatch.setattr(ocp.CheckpointManager, "_finalize", slowly)
    checkpoints.save(4, {"model": trees[4]}, {"step": 4})
    assert not finished
    restored = checkpoints.restore(lambda meta: {"model": like(trees[0])})
    assert finished
    checkpoints.discard_after(restored.step)
    assert (restored.step, restored.meta, checkpoints.steps()) == (4, {"step": 4}, [3, 4])
    np.testing.assert_array_equal(restored.items["model"]["weights"], trees[4]["weights"])
    checkpoints.close()

"""README.txt of a run's folder: what the run is, what each file is, and the commands that go on from there."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from tsrl.config import Config
from tsrl.tasks.base import Task

_FILES = {
    "README.txt": "this",
    "config.json": "everything that decides the result, with a hash of the data",
    "metrics.jsonl": "a line of JSON for each training step: loss, norms, and now and then the representations' health",
    "checkpoints/": "the models by step, with what training needs to go on",
    "tensorboard/": "the numbers of metrics.jsonl for TensorBoard, a folder for each seed",
    "probe/": "the heads that are trained on after every epoch; training needs them to go on",
    "embeddings.npz": "the representations that were scored, with their labels; at the end",
    "report.json": "data, protocol, scores, versions, machine; at the end",
    "report.html": "the same as a page; at the end, where plotly is installed",
}


def run_readme(config: Config, task: Task, workdir: Path, command: str, versions: Mapping[str, str]) -> str:
    """The text of README.txt.

    Args:
      config: of the run.
      task: of the run.
      workdir: the run's folder, as commands are to name it.
      command: that started the run; "" where it was no command.
      versions: name -> version of what decides the result.
    """
    folder, seeds = str(workdir), ", ".join(map(str, config.seed_list()))
    again = "resume, if it was stopped or killed; what is done is not done again"
    if "--distributed" in command:
        again += "; in each process, with its own rank"
    commands = [
        (again, _resuming(command) if command else "(the run was started from Python: call the same again)"),
        ("embed other series", _tsrl("embed", "IN", "OUT", "--model", folder)),
        ("write the model as files that run without tsrl", _tsrl("export", folder, "OUT")),
        ("put it on a page with other runs", _tsrl("report", folder, "--html", "results.html")),
    ]
    # What a forecasting run keeps is not all that its protocols are computed from.
    if task.judge is not None and config.task != "forecast":
        words = ["evaluate", "--embeddings", str(workdir / "embeddings.npz"), "--task", config.task]
        judge = _tsrl(*words, "--seed", str(config.seed))
        commands.insert(1, ("judge the embeddings once more, when it is done (with the run's flags of judging)", judge))
    absent = [] if config.tensorboard else ["tensorboard/"]
    absent += [] if config.task == "forecast" and "trained_probe" in config.forecast.protocols else ["probe/"]
    files = {name: meaning for name, meaning in _FILES.items() if name not in absent}
    width = max(map(len, files)) + 2
    return "\n".join(
        [
            f"A run of tsrl: {config.method.name} over {type(config.encoder).__name__}",
            "",
            f"data:     {config.dataset}",
            f"task:     {config.task}",
            f"seeds:    {seeds}",
            f"versions: {', '.join(f'{name} {number}' for name, number in versions.items())}",
            "",
            "Files",
            "",
            *(f"  {name:{width}}{meaning}" for name, meaning in files.items()),
            "",
            "Commands, to be given in the folder",
            f"  {Path.cwd()}",
            "",
            *(f"  # {meaning}\n  {line}\n" for meaning, line in commands),
            "In Python, the model of a seed:",
            "",
            f"  tsrl.load({folder!r}, seed={config.seed})",
            "",
        ]
    )


def _resuming(command: str) -> str:
    """The command that goes on with a run: in this Python, with the data folder that was set, without `--overwrite`."""
    words = [word for word in shlex.split(command) if not word.startswith("--overwrite")]
    words = [sys.executable, "-m", *words] if words[0] == "tsrl" else [sys.executable, *words[1:]]
    folder = os.environ.get("TSRL_DATA_DIR")
    return (f"TSRL_DATA_DIR={shlex.quote(folder)} " if folder else "") + shlex.join(words)


def _tsrl(*words: str) -> str:
    return shlex.join([sys.executable, "-m", "tsrl", *words])

"""README.txt of a run's folder: what the run is, what each file is, and the commands that go on from there."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from tsrl.config import Config
from tsrl.tasks.base import Task

_FILES = {
    "README.txt": "this",
    "config.json": "everything that decides the result, with a hash of the data",
    "metrics.jsonl": "a line of JSON for each training step: loss, norms, and now and then the representations' health",
    "checkpoints/": "the models by step, with what training needs to go on",
    "tensorboard/": "the numbers of metrics.jsonl for TensorBoard, a folder for each seed; with --tensorboard only",
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
    resume = command or "(the run was started from Python: call the same again)"
    commands = [
        ("resume, if it was stopped or killed; what is done is not done again", resume),
        ("embed other series", shlex.join(["tsrl", "embed", "IN", "OUT", "--model", folder])),
        ("write the model as files that run without tsrl", shlex.join(["tsrl", "export", folder, "OUT"])),
        ("put it on a page with other runs", shlex.join(["tsrl", "report", folder, "--html", "results.html"])),
    ]
    if task.judge is not None:
        embeddings = str(workdir / "embeddings.npz")
        words = ["tsrl", "evaluate", "--embeddings", embeddings, "--task", config.task]
        commands.insert(1, ("judge the embeddings once more, when it is done", shlex.join(words)))
    width = max(map(len, _FILES)) + 2
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
            *(f"  {name:{width}}{meaning}" for name, meaning in _FILES.items()),
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

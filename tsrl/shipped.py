"""Models that come with the package: weights in safetensors, settings, and a model card, below `tsrl/models/`."""

import json
from pathlib import Path

from tsrl.embedder import Embedder
from tsrl.export.weights import FILE, model_of, settings_of, weights_bytes
from tsrl.files import write_whole

MODELS = Path(__file__).parent / "models"
SETTINGS = "config.json"


def shipped_models() -> list[str]:
    """Names of the models in this version of the package, in alphabetical order."""
    return sorted(path.parent.name for path in MODELS.glob(f"*/{SETTINGS}"))


def load_shipped(name: str) -> Embedder:
    """A model that comes with the package.

    Args:
      name: of `shipped_models`.
    """
    folder = MODELS / name
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return model_of(settings, (folder / FILE).read_bytes())


def ship(model: Embedder, name: str, card: str) -> Path:
    """Writes a model to where `load_shipped` finds it, in a checkout of the package.

    Args:
      model: of one seed.
      name: of the model.
      card: README.md of its folder: what it was trained on, by which command, what it is good for and what not.

    Returns:
      Its folder.
    """
    folder = MODELS / name
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FILE, weights_bytes(model))
    write_whole(folder / "README.md", card)
    # Last: without it there is no such model.
    write_whole(folder / SETTINGS, json.dumps(settings_of(model), indent=1) + "\n")
    return folder

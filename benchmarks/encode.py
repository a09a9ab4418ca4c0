"""What the causal encoding of a long series costs: a representation per step, each from its own window of 201 steps.

Beside it the peer, which encodes every window whole, as the released code does; on the first windows only unless
--full, its seconds scaled up to all of them. Both have the same weights, and their outputs are compared.

Command: python benchmarks/encode.py [--repeats 1] [--steps 17420] [--windows 2048 | --full] [--json FILE]
"""

from statistics import median

import jax
import numpy as np
import training
from timing import flags, measure, peer_available, show, timed, write

from tsrl.config import options
from tsrl.encoders import DilatedConv
from tsrl.evaluate.embed import encode_series
from tsrl.interop.torch import from_torch
from tsrl.types import as_batch

CONTEXT = 200


def main() -> None:
    """Measures, compares, prints, writes."""
    parser = flags(__doc__, repeats=1)
    parser.add_argument("--steps", type=int, default=17_420, help="steps of the series")
    parser.add_argument("--windows", type=int, default=2048, help="windows that the peer encodes")
    parser.add_argument("--full", action="store_true", help="the peer encodes all windows")
    asked = parser.parse_args()
    x, with_peer = training.series(asked.steps, 1), peer_available()
    share = asked.steps if asked.full else min(asked.windows, asked.steps)
    encoder = DilatedConv(width=training.WIDTH, features=training.FEATURES, depth=training.DEPTH)
    method = options("ts2vec").build(encoder)
    cases = {}
    if with_peer:
        import torch
        from peer import Encoder, Peer

        torch.manual_seed(0)
        model = Peer(Encoder(training.CHANNELS, training.WIDTH, training.FEATURES, training.DEPTH))
        params, part = from_torch("ts2vec", model.weights()), torch.from_numpy(x[:, :share])
        cases["peer"] = lambda: model.encode(part, CONTEXT).numpy()
    else:
        params, _ = method.init(jax.random.key(0), as_batch(x[:, :2]))
    # As the library holds a model: weights that stay on the host would be sent again with every chunk.
    params = jax.tree.map(jax.numpy.asarray, params)
    outputs: dict[str, np.ndarray] = {}

    def ours() -> None:
        outputs["ours"] = encode_series(
            method, params, {"average": params}, x, sliding_length=1, sliding_padding=CONTEXT, causal=True
        )

    def peer() -> None:
        outputs["peer"] = cases["peer"]()

    name = f"{asked.steps} steps, ours"
    seconds = measure({name: ours} | ({"peer": peer} if with_peer else {}), asked.repeats)
    results = {name: timed(seconds[name])}
    further = {}
    if with_peer:
        scale = asked.steps / share
        words = "" if share == asked.steps else f", scaled up from {share} windows"
        scaled = [value * scale for value in seconds["peer"]]
        results[f"{asked.steps} steps, peer{words}"] = timed(scaled, measured_windows=share, scale=scale)
        further = {
            "peer_over_ours": median(scaled) / median(seconds[name]),
            "difference": float(np.abs(outputs["ours"][:, :share] - outputs["peer"]).max()),
            "largest_output": float(np.abs(outputs["peer"]).max()),
        }
    show(results, "s")
    if further:
        print(f"median of the peer / median of ours = {further['peer_over_ours']:.2f}")
        print(f"largest difference: {further['difference']:.1e}, outputs up to {further['largest_output']:.2f}")
    write(asked.json, results, **further)


if __name__ == "__main__":
    main()

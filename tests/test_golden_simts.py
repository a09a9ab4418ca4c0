"""Every case of SimTS's golden file: outputs, losses, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import assert_close, assert_trees_close, cases, label

from tsrl.interop.torch import embedder_from_torch
from tsrl.interop.weights import Weights
from tsrl.losses.latent_prediction import hierarchical_latent_prediction, latent_prediction
from tsrl.methods.backbone import Backbone
from tsrl.methods.simts import Drawn, Predictor, predict_future
from tsrl.types import Batch, as_batch


def net(arrays):
    folded = {name: array for name, array in arrays.items() if not name.endswith("weight_folded")}
    return embedder_from_torch("simts", folded)


def predictor_of(arrays):
    weights = Weights(arrays, "SimTS's predictor")
    return {"steps": weights.linear("predictor.Wk_wl"), "features": weights.linear("predictor.Wk_wl2")}


def all_seen(batch):
    """As the released code takes missing steps: zeros before the front, whose bias then stands for them."""
    return Batch(batch.fields, jnp.ones_like(batch.mask), batch.index)


@pytest.mark.parametrize("case", cases("simts"), ids=label)
def test_golden_simts(case):
    embedder = net(case.starting("w", "net."))
    assert embedder.encoder.kernels == tuple(case.setting("kernels"))
    backbone, predictor = Backbone(embedder.encoder), Predictor(case.setting("future"))
    params = {name: embedder.params[name] for name in ("front", "encoder")}
    params["predictor"] = predictor_of(case.starting("w", "") | {})
    params = jax.tree.map(jnp.asarray, params)
    history, step = case.setting("history"), int(case.rand["time_index"])
    example = as_batch(np.concatenate([case.arrays["in"]["x_hist"], case.arrays["in"]["x_fut"]], 1))

    def loss(params, batch, hierarchical):
        drawn, settings = Drawn(jnp.asarray(step)), {"history": history, "hierarchical": hierarchical, "dropout": 0.1}
        return predict_future(backbone, predictor, params, {"stats": {}}, batch, drawn, **settings)[0]

    published = all_seen(example)
    past, later = (as_batch(published.x[:, part]) for part in (slice(history), slice(history, None)))
    z_hist, z_fut = (backbone(params, {}, part.fields, part.mask)[0] for part in (past, later))
    predicted = predictor.apply({"params": params["predictor"]}, z_hist[:, step])
    found = {"z_hist": z_hist, "z_fut": z_fut, "pred_future": predicted}
    found |= {"repr_last": z_hist[:, -1], "eval_repr": z_hist[:, -1]}
    assert found.keys() == case.out.keys()
    for name, ours in found.items():
        assert_close(ours, case.out[name], name)
    assert_close(embedder.embed(np.asarray(past.x)), case.out["eval_repr"], "embed")
    assert_close(latent_prediction(predicted, z_fut).mean(), case.loss["cosine"])
    assert_close(hierarchical_latent_prediction(predicted, z_fut).mean(), case.loss["hierarchical"])

    hierarchical = case.setting("hierarchical")
    value, gradient = jax.jit(jax.value_and_grad(loss), static_argnums=2)(params, published, hierarchical)
    assert_close(value, case.loss["value"], "value")
    arrays = case.starting("grad", "w.")
    of_net = net({name.removeprefix("net."): a for name, a in arrays.items() if name.startswith("net.")}).params
    expected = {"front": of_net["front"], "encoder": of_net["encoder"], "predictor": predictor_of(arrays)}
    assert_trees_close(gradient, expected, "gradient")

    missing = not bool(example.mask.all())
    assert missing == (case.name == "nan_hier")
    if missing:
        # Here a missing step is zero after the front.
        assert abs(loss(params, example, hierarchical) - value) > 1e-4

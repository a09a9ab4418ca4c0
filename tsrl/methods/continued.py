"""Training that goes on from a model there is, for any method."""

from typing import Any, NamedTuple

import jax

from tsrl.errors import InputError
from tsrl.types import Aux, Batch, Key, Method, Params


class Start(NamedTuple):
    """What training starts from instead of random weights; one object stands for one model.

    Attributes:
      params: of the method.
      aux: of the method.
    """

    params: Params
    aux: Aux

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


def continued(method: Method, start: Start) -> Method:
    """The method with the parameters and the auxiliary state of a trained model in place of its own first ones.

    Args:
      method: any.
      start: of a model of the same method, settings and encoder.

    Raises:
      InputError: in use, arrays that are not those of the method for its data.
    """

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        wanted = jax.eval_shape(method.init, key, batch)
        found = (start.params, start.aux)
        if _shapes(found) != _shapes(wanted):
            raise InputError(
                "init: found a model whose arrays are not those of this method, encoder and number of channels; want "
                "one that was trained with the same"
            )
        return found

    return method._replace(init=init)


def _shapes(tree: Any) -> Any:
    return jax.tree.structure(tree), [leaf.shape for leaf in jax.tree.leaves(tree)]

"""The published data sets by name."""

from tsrl.data.builders.spec import Spec
from tsrl.data.builders.specs_classification import CLASSIFICATION
from tsrl.data.builders.specs_forecasting import FORECASTING
from tsrl.errors import InputError, nearest

SPECS: dict[str, Spec] = {spec.name: spec for spec in (*FORECASTING, *CLASSIFICATION)}


def spec_of(name: str) -> Spec:
    """The set of that name.

    Raises:
      InputError: there is none; the message says what comes near.
    """
    if name not in SPECS:
        raise InputError(f"dataset: found {name!r}, want one of the sets that can be prepared; {nearest(name, SPECS)}")
    return SPECS[name]

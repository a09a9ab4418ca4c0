"""What the plot of forecasts holds."""

import numpy as np
import pytest

from tsrl.errors import InputError
from tsrl.report.forecast_examples import forecast_plot


def arrays(steps=40, **change):
    """Two origins, two horizons, two protocols at the longer."""
    x = np.stack([np.zeros(steps), np.arange(steps) ** 2.0], 1)
    forecast = np.arange(2 * 5 * 2.0).reshape(2, 5, 2)
    parts = {
        "x": x,
        "forecast_origins_2": np.array([20, 37]),
        "forecast_last_step_ridge_2": np.zeros((2, 2, 2)),
        "forecast_origins_5": np.array([20, 34]),
        "forecast_last_step_ridge_5": forecast,
        "forecast_window_linear_5": -forecast,
    }
    return parts | change


def test_the_longest_horizon_is_drawn_from_each_origin_beside_what_came():
    figure, told = forecast_plot(arrays())
    names = ["values", "last value", "forecast, last step ridge", "forecast, window linear"]
    assert [trace.name for trace in figure.data] == names * 2
    assert [trace.showlegend for trace in figure.data] == [True] * 4 + [False] * 4
    values, last, ridge, window = figure.data[4:]
    np.testing.assert_array_equal(values.x, np.arange(24, 40))
    np.testing.assert_array_equal(values.y, np.arange(24, 40) ** 2.0)
    np.testing.assert_array_equal(last.y, [34.0**2] * 6)
    np.testing.assert_array_equal(ridge.x, np.arange(34, 40))
    np.testing.assert_array_equal(ridge.y, [34.0**2, 11, 13, 15, 17, 19])
    np.testing.assert_array_equal(window.y[1:], -ridge.y[1:])
    assert {trace.xaxis for trace in figure.data} == {"x", "x2"}
    assert figure.layout.xaxis2.anchor == "y2"
    assert figure.layout.yaxis2.domain[1] < figure.layout.yaxis.domain[0]
    assert "5 steps from each of 2 origins" in told


def test_nothing_is_drawn_without_values_or_forecasts():
    assert forecast_plot({name: z for name, z in arrays().items() if name != "x"}) is None
    assert forecast_plot({"x": np.zeros((9, 1)), "z_test": np.zeros((3, 2))}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"forecast_window_linear_5": np.zeros((2, 4, 2))},
        {"forecast_origins_5": np.array([20])},
        {"forecast_origins_5": np.array([20, 35])},
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(change):
    with pytest.raises(InputError, match=r"forecast_\w+_5: found shape"):
        forecast_plot(arrays(**change))

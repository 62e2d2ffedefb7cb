"""Exponential smoothing with a weekly season, and its backtest beside the seasonal naive forecast.

Pure: arrays in, arrays out. Model: ETS(A, Ad, A), Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd ed.),
section 8.6; the seasonal naive forecast is section 5.2 there, the rolling origin section 5.10.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SEASON = 7
SHORTEST = 4 * SEASON
NAME = "ETS(A,Ad,A) period 7"
_ORIGINS, _STEP, _BACKTEST_HORIZON = 3, SEASON, 2 * SEASON


@dataclass(frozen=True)
class Forecast:
    """Arrays of shape (horizon,), in the unit of the series."""

    mean: Array
    lower_80: Array
    upper_80: Array
    lower_95: Array
    upper_95: Array


@dataclass(frozen=True)
class Accuracy:
    """Errors over all origins and steps of the backtest, in the unit of the series; coverage is a share of 1."""

    origins: int
    horizon: int
    mae: float
    rmse: float
    coverage_80: float
    coverage_95: float
    naive_mae: float
    naive_rmse: float


def forecast(values: Array, horizon: int) -> Forecast:
    """Forecast a daily series that can't be negative.

    Args:
        values: shape (n,), n >= 28, no NaN, oldest first.
        horizon: days ahead.

    Raises:
        ValueError: the series is too short.
    """
    if len(values) < SHORTEST:
        raise ValueError(f"{len(values)} days are too few for a forecast: {SHORTEST} are needed")
    import pandas as pd
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        series = pd.Series(values, pd.RangeIndex(len(values)))
        model = ETSModel(series, error="add", trend="add", damped_trend=True, seasonal="add", seasonal_periods=SEASON)
        prediction = model.fit(disp=False, maxiter=200).get_prediction(start=len(values), end=len(values) + horizon - 1)
        bounds = {alpha: prediction.pred_int(alpha=alpha) for alpha in (0.2, 0.05)}
    mean = np.asarray(prediction.predicted_mean, dtype=float)
    columns = [np.asarray(bounds[a], dtype=float)[:, side] for a in (0.2, 0.05) for side in (0, 1)]
    return Forecast(*(np.maximum(column, 0.0) for column in (mean, *columns)))


def seasonal_naive(values: Array, horizon: int) -> Array:
    """The last week, again and again; shape (horizon,)."""
    return np.resize(values[-SEASON:], horizon)


def backtest(values: Array) -> Accuracy:
    """Forecast the end of the series from several earlier origins, and compare with what came.

    Args:
        values: shape (n,), n >= 56, no NaN.

    Raises:
        ValueError: the series is too short to leave 28 days before the first origin.
    """
    origins = [len(values) - _BACKTEST_HORIZON - _STEP * i for i in range(_ORIGINS)]
    if origins[-1] < SHORTEST:
        raise ValueError(f"{len(values)} days are too few for a backtest: {len(values) - origins[-1] + SHORTEST} are needed")
    errors, naive, inside_80, inside_95 = [], [], [], []
    for origin in origins:
        actual = values[origin : origin + _BACKTEST_HORIZON]
        expected = forecast(values[:origin], _BACKTEST_HORIZON)
        errors.append(actual - expected.mean)
        naive.append(actual - seasonal_naive(values[:origin], _BACKTEST_HORIZON))
        inside_80.append((expected.lower_80 <= actual) & (actual <= expected.upper_80))
        inside_95.append((expected.lower_95 <= actual) & (actual <= expected.upper_95))
    return Accuracy(
        origins=_ORIGINS,
        horizon=_BACKTEST_HORIZON,
        mae=float(np.mean(np.abs(errors))),
        rmse=float(np.sqrt(np.mean(np.square(errors)))),
        coverage_80=float(np.mean(inside_80)),
        coverage_95=float(np.mean(inside_95)),
        naive_mae=float(np.mean(np.abs(naive))),
        naive_rmse=float(np.sqrt(np.mean(np.square(naive)))),
    )

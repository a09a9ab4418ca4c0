"""Standardising series with statistics of the training split."""

from dataclasses import dataclass

import numpy as np

from tsrl.errors import InputError

# UCR sets whose series the archive keeps in their own units; TS2Vec's released code scales these and no others.
_IN_OWN_UNITS = frozenset(
    {
        *("AllGestureWiimoteX", "AllGestureWiimoteY", "AllGestureWiimoteZ"),
        *("BME", "Chinatown", "Crop"),
        *("EOGHorizontalSignal", "EOGVerticalSignal"),
        *("Fungi", "GestureMidAirD1", "GestureMidAirD2", "GestureMidAirD3"),
        *("GesturePebbleZ1", "GesturePebbleZ2"),
        *("GunPointAgeSpan", "GunPointMaleVersusFemale", "GunPointOldVersusYoung"),
        *("HouseTwenty", "InsectEPGRegularTrain", "InsectEPGSmallTrain"),
        *("MelbournePedestrian", "PickupGestureWiimoteZ"),
        *("PigAirwayPressure", "PigArtPressure", "PigCVP"),
        *("PLAID", "PowerCons", "Rock"),
        *("SemgHandGenderCh2", "SemgHandMovementCh2", "SemgHandSubjectCh2"),
        *("ShakeGestureWiimoteZ", "SmoothSubspace", "UMD"),
    }
)
# In their own units too, but missing from the published list: published scores are for unscaled series.
_PUBLISHED_UNSCALED = frozenset({"DodgerLoopDay", "DodgerLoopGame", "DodgerLoopWeekend"})

# The archive's normalised series are off by 6e-8 at most, the worst series of every other set by 0.58 or more; the
# tolerance leaves room for text files with few digits.
_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)  # eq: comparing arrays yields arrays
class Scaler:
    """Standardises each channel.

    Attributes:
      mean: `[C]` float32, subtracted.
      std: `[C]` float32, positive, divided by.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> "Scaler":
        """The mean and population standard deviation of each channel over all observed values.

        Args:
          x: `[N, T, C]` floats, NaN = missing.

        Returns:
          A scaler as scikit-learn's StandardScaler would be; a constant channel is only centred, one without values
          stays as it is.
        """
        values = np.asarray(x, np.float32).reshape(-1, x.shape[-1])
        observed = ~np.isnan(values)
        count = observed.sum(0).clip(1)
        mean = values.sum(0, dtype=np.float64, where=observed) / count
        variance = np.square(values - mean).sum(0, where=observed) / count
        # Sums of float32 in float64 do not round below 2^29 values, so a constant channel's deviation is exactly 0.
        std = np.sqrt(variance).astype(np.float32)
        return cls(mean.astype(np.float32), np.where(std > 0, std, np.float32(1)))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The standardised series.

        Args:
          x: `[N, T, C]` floats, NaN = missing.

        Returns:
          `[N, T, C]` float32; NaN where x has NaN.

        Raises:
          InputError: x has another number of channels.
        """
        if x.shape[-1] != len(self.mean):
            raise InputError(f"x: found {x.shape[-1]} channels in shape {x.shape}, want {len(self.mean)} as scaled")
        return (np.asarray(x, np.float32) - self.mean) / self.std


def fit_archive_scaler(x_train: np.ndarray, name: str = "") -> Scaler | None:
    """How the published evaluations scale a set of the UCR or UEA archive, from its training split alone.

    Several channels: each is standardised. One channel: the set is standardised as a whole, unless every training
    series is z-normalised already. The published code has a list of 34 names instead of this rule. On the 48 UCR sets
    that were compared the two disagree about DodgerLoopGame and DodgerLoopWeekend, which are not normalised and not in
    the list; the list wins for these, for DodgerLoopDay (the same recordings), and for its own 34 names.

    Args:
      x_train: `[N, T, C]` floats, NaN = missing.
      name: of the data set as the archive writes it; other names go by the rule.

    Returns:
      A scaler for both splits, or None: use them as they are.
    """
    if x_train.shape[2] == 1 and name not in _IN_OWN_UNITS and (name in _PUBLISHED_UNSCALED or z_normalised(x_train)):
        return None
    return Scaler.of(x_train)


def z_normalised(x: np.ndarray) -> bool:
    """Whether every series has mean 0 and standard deviation 1, or is 0 throughout.

    The archive divides by the population's deviation in some sets and the sample's in others; either is accepted.

    Args:
      x: `[N, T, 1]` floats, NaN = missing; series with fewer than two values are not judged.
    """
    values = x[..., 0].astype(np.float64)
    observed = ~np.isnan(values)
    judged = observed.sum(1) >= 2
    values, observed = values[judged], observed[judged]
    count = observed.sum(1)
    mean = values.sum(1, where=observed) / count
    std = np.sqrt(np.square(values - mean[:, None]).sum(1, where=observed) / count)
    sample_std = std * np.sqrt(count / (count - 1))
    unit = (np.abs(std - 1) < _TOLERANCE) | (np.abs(sample_std - 1) < _TOLERANCE)
    # Exactly 0, not nearly: series in a small unit are near 0 without being normalised.
    flat = ((values == 0) | ~observed).all(1)
    return bool((flat | (unit & (np.abs(mean) < _TOLERANCE))).all())

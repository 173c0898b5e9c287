"""What lies far outside of the other numbers."""

import numpy as np
import numpy.typing as npt

FEWEST = 20
FAR = 3.0


def fences(values: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """Give the least and most number that is not far out; none where that cannot be told.

    Tukey's outer fences: with quartiles Q1 and Q3, Q1 - 3 (Q3 - Q1) and Q3 + 3 (Q3 - Q1). Where all numbers
    are above zero they are taken of the logarithms, since amounts of money are spread by factors. Assumes one
    hump; of two groups far apart neither is found out. Needs twenty numbers that are not nearly all the same.
    Source: J. W. Tukey, Exploratory Data Analysis (1977), chapter 2.
    """
    finite = values[np.isfinite(values)]
    if finite.size < FEWEST:
        return None
    factors = bool((finite > 0).all())
    first, third = np.quantile(np.log(finite) if factors else finite, [0.25, 0.75]).tolist()
    if third <= first:
        return None
    low, high = first - FAR * (third - first), third + FAR * (third - first)
    return (float(np.exp(low)), float(np.exp(high))) if factors else (low, high)

"""Every error `eval` raises on purpose.

EvalError
├── SuiteError      a suite file that cannot be read, or asks for what is not there
├── FigureError     a number that is not one: NaN, infinite, an empty sample
├── ScorerError     a scorer that answered something else than one score per variant; stated in the variant
├── LimitReached    a run has cost what its suite allows
├── ResultError     a result that cannot be read, or not be compared
├── BenchmarkError  what a benchmark compares with is not installed, or answers something else
├── DatasetError    a data set that is missing or not the expected one
├── RecommendationError  events that leave nothing to learn from or nothing to test
└── ProxyError      outcomes or predictions a proxy cannot work with

Messages quote the bad value and say what to do next.
"""


class EvalError(Exception):
    """Base of every deliberate error of this package."""


class SuiteError(EvalError):
    """A suite file cannot be read, or asks for what is not there."""


class FigureError(EvalError):
    """A number that is not one: NaN, infinite, or of an empty sample."""


class ScorerError(EvalError):
    """A scorer answered something else than one score per variant."""


class LimitReached(EvalError):
    """A run has cost what its suite allows."""


class ResultError(EvalError):
    """A result cannot be read, or not be compared with another."""


class BenchmarkError(EvalError):
    """What a benchmark compares with is not installed, or gives another answer."""


class DatasetError(EvalError):
    """A data set is missing or not the expected one."""


class RecommendationError(EvalError):
    """Events that leave nothing to learn from or nothing to test."""


class ProxyError(EvalError):
    """Outcomes or predictions a proxy cannot work with."""

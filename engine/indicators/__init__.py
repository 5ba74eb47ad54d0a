"""Technical indicators over whole columns; NaN where a value is not defined yet.

Seeding and rounding follow TA-Lib, except that moving averages are summed exactly, so that a tie
of two averages is a tie whatever bar the run began at. Every value at bar i depends on bars ≤ i.
A period longer than the data gives NaN everywhere.
"""

from engine.indicators.averages import ema, sma, wma
from engine.indicators.channels import Bands, Channel, SuperTrend, bollinger, donchian, supertrend
from engine.indicators.momentum import Macd, macd, roc, rsi
from engine.indicators.stochastics import Stochastic, stochastic, stochastic_rsi
from engine.indicators.true_range import atr

__all__ = [
    "Bands",
    "Channel",
    "Macd",
    "Stochastic",
    "SuperTrend",
    "atr",
    "bollinger",
    "donchian",
    "ema",
    "macd",
    "roc",
    "rsi",
    "sma",
    "stochastic",
    "stochastic_rsi",
    "supertrend",
    "wma",
]

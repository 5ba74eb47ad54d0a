"""What the kernels that make series tile by tile know of an indicator: one row of numbers each.

A maker writes bars first … last − 1 of its outputs to rows of the tile's values, from column 0 on,
and keeps in its state what the next tile needs. Every number is made by the same operations in the
same order as in ``engine.indicators``, so the bits are the same.
"""

#: Kinds of makers. ``WHOLE_AVERAGE`` is a simple average from running totals of whole numbers.
(COLUMN, CONSTANT, WHOLE_AVERAGE, SIMPLE_AVERAGE, EXPONENTIAL_AVERAGE, WEIGHTED_AVERAGE, STRENGTH,
 CHANGE_RATE, MACD, BANDS, TRUE_RANGE, TREND, CHANNEL, OSCILLATOR, STRENGTH_OSCILLATOR,
 ) = range(15)  # fmt: skip

#: Columns of a maker's whole numbers: what it is, its column (a WHOLE_AVERAGE's row of totals),
#: its periods, the rows of its outputs, and where its own floats and places begin.
(M_KIND, M_SOURCE, M_FIRST, M_SECOND, M_THIRD, M_OUT, M_OUT_2, M_OUT_3, M_KEPT,
 M_PLACES) = range(10)  # fmt: skip
MAKER_NUMBERS = 10

#: Floats of a maker's state; the last one is a constant's value, or a factor that never changes.
STATE_NUMBERS = 8
S_FACTOR = 7

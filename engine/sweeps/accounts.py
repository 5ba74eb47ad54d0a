"""A variant's account as the sweep's kernels keep it: one row of numbers and one of counts."""

from engine._jit import kernel
from engine.simulation import FloatArray, IntArray

#: Columns of a variant's rules that are fractions or money, and of those that are whole.
(R_FEE_RATE, R_FEE_PER_TRADE, R_SLIPPAGE, R_SIZE, R_STOP, R_TARGET, R_TRAILING) = range(7)
RULE_NUMBERS = 7
(R_ON_CLOSE, R_SIZING, R_WHOLE_UNITS, R_INTRABAR, R_CLOSE_AT_END, R_MAX_CYCLES, R_REGIMES,
 R_LONG_ENTRY, R_LONG_EXIT, R_SHORT_ENTRY, R_SHORT_EXIT) = range(11)  # fmt: skip
RULE_CHOICES = 11

#: Columns of a variant's account: the position, the sums over bars, the sums over trades, and
#: those over the cycles of each regime.
(A_CASH, A_UNITS, A_ENTRY_PRICE, A_ENTRY_FEE, A_BEST, A_FEES_PAID, A_EQUITY, A_PEAK, A_LOW,
 A_DEEPEST, A_GROWTH, A_GROWN_PEAK, A_GROWN_LOW, A_GROWN_DEEPEST, A_LOSSES, A_TOTAL, A_SQUARES,
 A_WON, A_LOST, A_GAINED, A_PIVOT, A_SHIFTED, A_SHIFTED_SQUARES, A_CAPITAL, A_START_EQUITY,
 A_BY_REGIME) = range(26)  # fmt: skip
ACCOUNT_NUMBERS = A_BY_REGIME + 3
(A_SIDE, A_PENDING, A_COMPLETED, A_IS_RUINED, A_RETURNS, A_HELD, A_TRADES, A_WINS,
 A_MOVED, A_SEEN, A_CYCLES) = (*range(10), 12)  # fmt: skip
ACCOUNT_COUNTS = A_CYCLES + 3

#: How much is counted: trades only, the equity's drawdown too, or the returns of every bar and the
#: cycles by regime too.
TRADES, DRAWDOWN, RETURNS = range(3)


@kernel
def start_accounts(capital: FloatArray, account: FloatArray, counts: IntArray) -> None:
    """Nothing but cash, before the first bar."""
    account[:] = 0.0
    counts[:] = 0
    for row in range(len(capital)):
        for column in (A_CASH, A_EQUITY, A_PEAK, A_LOW, A_CAPITAL):
            account[row, column] = capital[row]
        account[row, A_GROWTH] = 1.0
        account[row, A_GROWN_PEAK] = 100.0
        account[row, A_GROWN_LOW] = 100.0


@kernel
def settle_drawdowns(account: FloatArray) -> None:
    """Count the drawdowns that have not ended."""
    account[A_DEEPEST] = min(
        account[A_DEEPEST], (account[A_LOW] - account[A_PEAK]) / account[A_PEAK]
    )
    account[A_GROWN_DEEPEST] = min(
        account[A_GROWN_DEEPEST],
        (account[A_GROWN_LOW] - account[A_GROWN_PEAK]) / account[A_GROWN_PEAK],
    )

"""What variants of a sweep have in common when they differ in their parameters only."""

from functools import cached_property

from engine.config import BacktestConfig
from engine.fills import FillRules
from engine.preset_parameters import SIGNAL_PARAMETERS
from engine.signal_strategies import fill_rules, sides_of
from engine.sweeps import accounts as at


class Frame:
    """A sound config of which everything counts but ``parameters``, and what follows from it.

    Variants that share a frame share what it has worked out once.
    """

    def __init__(self, config: BacktestConfig) -> None:
        self.config = config
        self.trades_on_signals = config.strategy_id in SIGNAL_PARAMETERS

    @cached_property
    def sides(self) -> tuple[bool, bool]:
        """Whether the long side is traded, and whether the short one."""
        return sides_of(self.config)

    @cached_property
    def _fills(self) -> FillRules:
        return fill_rules(self.config.execution, self.config.max_cycles)

    @cached_property
    def rules(self) -> tuple[float, ...]:
        """Costs, size and levels: the RULE_NUMBERS of an account."""
        fills = self._fills
        numbers = [0.0] * at.RULE_NUMBERS
        numbers[at.R_FEE_RATE] = fills.fee_rate
        numbers[at.R_FEE_PER_TRADE] = fills.fee_per_trade
        numbers[at.R_SLIPPAGE] = fills.slippage_rate
        numbers[at.R_SIZE] = fills.size
        numbers[at.R_STOP] = fills.stop_loss
        numbers[at.R_TARGET] = fills.take_profit
        numbers[at.R_TRAILING] = fills.trailing_stop
        return tuple(numbers)

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """What is whole of the rules: the RULE_CHOICES of an account, its planes not among them."""
        fills = self._fills
        choices = [0] * at.RULE_CHOICES
        choices[at.R_ON_CLOSE] = int(fills.fill_on_close)
        choices[at.R_SIZING] = int(fills.sizing)
        choices[at.R_WHOLE_UNITS] = int(fills.whole_units)
        choices[at.R_INTRABAR] = int(fills.intrabar)
        choices[at.R_CLOSE_AT_END] = int(fills.close_at_end)
        choices[at.R_MAX_CYCLES] = fills.max_cycles
        return tuple(choices)

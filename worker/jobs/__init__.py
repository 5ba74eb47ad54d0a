"""What a backtest job is: its record, its states, its lease. Pure: no clock, no socket, no store."""

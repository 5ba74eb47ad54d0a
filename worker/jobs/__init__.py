"""What a backtest job is: its record, states and lease. Pure: no clock, no socket, no store."""

"""Many variants of one config over the same candles: what ``engine.sweep`` is made of."""

"""What a cold start of the worker is compared with: two small services, each in one process.

    python -m benchmarks.cold_peers floor PORT
    python -m benchmarks.cold_peers usual PORT CANDLES.parquet

``floor`` is FastAPI that answers and does nothing else. ``usual`` is how a service of this kind is
usually put together: FastAPI, candles in Parquet, a moving-average cross in a numba kernel whose
compiled form is kept. It does far less than a backtest here.
"""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI


def floor_app() -> FastAPI:
    """An app that has nothing to load."""
    app = FastAPI()

    @app.get("/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/run-backtest")
    def answer() -> dict[str, float]:
        return {"totalReturn": 0.0}

    return app


def usual_app(parquet: str) -> FastAPI:
    """An app that reads Parquet and runs one kernel over it."""
    import numba
    import numpy as np
    import pyarrow.parquet as pq

    app = floor_app()
    app.router.routes = [route for route in app.router.routes if "run-backtest" not in str(route)]

    @numba.njit(cache=True)
    def total_return(close: Any, fast: int, slow: int) -> float:
        cash, units, fast_sum, slow_sum = 1.0, 0.0, 0.0, 0.0
        for bar in range(close.size):
            fast_sum += close[bar] - (close[bar - fast] if bar >= fast else 0.0)
            slow_sum += close[bar] - (close[bar - slow] if bar >= slow else 0.0)
            if bar >= slow:
                above = fast_sum / fast > slow_sum / slow
                if above and units == 0.0:
                    units, cash = cash * 0.999 / close[bar], 0.0
                elif not above and units > 0.0:
                    units, cash = 0.0, units * close[bar] * 0.999
        return cash + units * close[close.size - 1] - 1.0

    @app.post("/run-backtest")
    def run() -> dict[str, float]:
        close = pq.read_table(parquet, columns=["close"])["close"].to_numpy()
        return {"totalReturn": float(total_return(np.ascontiguousarray(close), 10, 20))}

    return app


def main() -> None:
    kind, port, *rest = sys.argv[1:]
    app = floor_app() if kind == "floor" else usual_app(rest[0])
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main()

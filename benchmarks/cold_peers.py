"""What a cold start of the worker is compared with: two small services, each in one process.

    python -m benchmarks.cold_peers floor PORT
    python -m benchmarks.cold_peers usual PORT CANDLES.parquet SERIES.parquet PROJECT

``floor`` is FastAPI that answers and does nothing else. ``usual`` is how a service of this kind is
usually put together: FastAPI, a job and its result in one document of Firestore, candles and the
series beside the result in Parquet, a moving-average cross in a numba kernel whose compiled form is
kept. It does far less than a backtest here, claims nothing and loses a job that it dies with.
"""

import base64
import json
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

    @app.post("/pubsub/push", status_code=204)
    def push() -> None:
        return None

    return app


def usual_app(candles: str, series: str, project: str) -> FastAPI:
    """An app that takes a job from Firestore, runs one kernel over Parquet, writes the result."""
    import numba
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from google.cloud import firestore

    app = FastAPI()
    jobs = firestore.Client(project=project).collection("jobs")

    @app.get("/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @numba.njit(cache=True)
    def equity_curve(close: Any, fast: int, slow: int) -> Any:
        equity = np.empty(close.size)
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
            equity[bar] = cash + units * close[bar]
        return equity

    @app.post("/pubsub/push", status_code=204)
    def push(envelope: dict[str, Any]) -> None:
        job = jobs.document(json.loads(base64.b64decode(envelope["message"]["data"]))["jobId"])
        config = job.get().to_dict()
        table = pq.read_table(candles, columns=["times", "close"])
        close = np.ascontiguousarray(table["close"].to_numpy())
        equity = equity_curve(close, config["fast"], config["slow"])
        pq.write_table(pa.table({"times": table["times"], "equity": equity}), series)
        job.update({"status": "completed", "totalReturn": float(equity[-1] - 1.0)})

    return app


def main() -> None:
    kind, port, *rest = sys.argv[1:]
    app = floor_app() if kind == "floor" else usual_app(*rest)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main()

"""How stored candles look in JSON."""

from typing import Any, Self

from pydantic import Field

from worker.candle_import import ImportReport
from worker.entrypoints.job_forms import Form, Time
from worker.ports import CandleEntry


class GapForm(Form):
    """Between the opening times of two bars others are missing."""

    after: Time
    before: Time


class SeriesForm(Form):
    """One stored series."""

    symbol: str
    timeframe: str
    rows: int = Field(description="How many bars.")
    first: Time = Field(description="When the first bar opens.")
    last: Time = Field(description="When the last bar opens.")
    fingerprint: str = Field(description="Of all its bars.")

    @classmethod
    def of(cls, entry: CandleEntry) -> Self:
        return cls(**_entry(entry))

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


class ImportForm(SeriesForm):
    """What an import has stored, and what looks odd about it."""

    gaps: list[GapForm]
    notes: list[str]

    @classmethod
    def of_report(cls, report: ImportReport) -> Self:
        gaps = [GapForm(after=gap.after, before=gap.before) for gap in report.gaps]
        return cls(**_entry(report.entry), gaps=gaps, notes=list(report.notes))


def _entry(entry: CandleEntry) -> dict[str, Any]:
    return {
        "symbol": entry.symbol,
        "timeframe": entry.timeframe,
        "rows": entry.rows,
        "first": entry.first,
        "last": entry.last,
        "fingerprint": entry.fingerprint,
    }

"""What is one for the whole fleet, in a database: the kill switch, and the place of artifacts."""

from sqlalchemy import Engine, insert, select, text, update

from worker.adapters.sql.clock import store_clock
from worker.adapters.sql.connection import read, writing
from worker.adapters.sql.tables import places, switches
from worker.ports import Pause

_PAUSE = "pause"
_ARTIFACTS = "ARTIFACTS"

#: The same in both databases, as SQLAlchemy has it for neither.
_REMEMBER = text(
    "INSERT INTO backtest_places (name, mark) VALUES (:name, :mark) ON CONFLICT (name) DO NOTHING"
)


class SqlSwitches:
    """One row a switch, of which there is one, and one a place."""

    _engine: Engine

    def pause(self) -> Pause:
        mine = select(switches).where(switches.c.name == _PAUSE)
        row = read(self._engine, lambda connection: connection.execute(mine).one_or_none())
        if row is None:
            return Pause(is_on=False)
        return Pause(is_on=row.is_on, reason=row.reason, changed_at=row.changed_at)

    def set_pause(self, pause: Pause) -> None:
        row = {
            "is_on": pause.is_on,
            "reason": pause.reason,
            "changed_at": store_clock(self._engine),
        }
        known = update(switches).where(switches.c.name == _PAUSE).values(**row)
        with writing(self._engine) as connection:
            if not connection.execute(known).rowcount:
                connection.execute(insert(switches).values(name=_PAUSE, **row))

    def artifacts_mark(self) -> str | None:
        ours = select(places.c.mark).where(places.c.name == _ARTIFACTS)
        mark: str | None = read(self._engine, lambda connection: connection.scalar(ours))
        return mark

    def remember_artifacts(self, mark: str, *, instead_of: str | None) -> str:
        ours = places.c.name == _ARTIFACTS
        known = update(places).where(ours, places.c.mark == instead_of).values(mark=mark)
        with writing(self._engine) as connection:
            if instead_of is None:
                connection.execute(_REMEMBER, {"name": _ARTIFACTS, "mark": mark})
            else:
                connection.execute(known)
        return self.artifacts_mark() or mark

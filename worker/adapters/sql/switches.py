"""The kill switch in a database."""

from sqlalchemy import Engine, insert, select, update

from worker.adapters.sql.clock import store_clock
from worker.adapters.sql.connection import read, writing
from worker.adapters.sql.tables import switches
from worker.ports import Pause

_PAUSE = "pause"


class SqlSwitches:
    """One row a switch; there is one switch."""

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

"""Which form of the SQL tables this program works on."""

#: The newest revision in ``sql/migrations/versions``. Stated here, so that a start need not load
#: Alembic, nor SQLAlchemy, to learn that there is nothing to do.
HEAD = "0008"

"""Alembic's entry for its own command line: `alembic` needs a URL in `-x url=…`; the product itself uses `pipeline.store.migrate`."""

from alembic import context

from pipeline.store.engine import open_writer
from pipeline.store.tables import metadata

with open_writer(context.get_x_argument(as_dictionary=True)["url"]).connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()

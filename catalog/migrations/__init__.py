"""How the tables of the catalog came to be, one step after another; run by `Database.migrate`."""

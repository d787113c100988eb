"""A network in the exchange formats of other tools, with the integers of the C."""

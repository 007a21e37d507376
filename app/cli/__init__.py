"""The ``stemvault`` command.

The door is ``main.main``, which runs ``commands``: click reads the command line there. The other modules carry out one
subcommand each: ``demo``, ``doctor``, ``policy`` (``doctor --policy``), ``replay``, ``retry``, ``status`` and ``up``.
"""

"""The ``stemvault`` command.

The door is ``main.main``, which runs ``commands``: click reads the command line there. The other modules and
packages carry out the subcommands: ``backfill``, ``doctor``, ``policy`` (``doctor --policy``), ``replay``, ``retry``,
``status``, ``trials`` (``demo``, ``up``) and ``watch``. ``task_lists`` reads lists of tasks for two of them, and
``preconditions`` checks the conditions of both.
"""

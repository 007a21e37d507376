"""``stemvault backfill``: archive the tasks of a list that were submitted before Stemvault was there.

The door is ``command.run_backfill``. ``rounds`` has the story of a task, ``outcomes`` what is told of it at the end,
``progress`` what is shown meanwhile, and ``pauses`` what is told when the provider does not answer.
"""

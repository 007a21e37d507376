"""``stemvault backfill``: archive the tasks of a list that were submitted before Stemvault was installed.

The door is ``command.run_backfill``. ``rounds`` has the story of a task, ``outcomes`` counts and reports the
outcomes, ``progress`` shows the progress, and ``pauses`` reports that the provider is not asked.
"""

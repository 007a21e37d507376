"""The fleet: it stores the files that acknowledged callbacks name. Start it with ``celery -A workers worker``.

Read ``tasks`` first, then the stories in the order of a callback's way: ``ingest`` (a callback becomes records),
``archive`` (an asset becomes an object; ``carry`` runs many transfers at a time), ``clock`` (timers fire, lost messages
are replaced, the inbox is drained) and ``polling`` (the provider is asked about tasks). The other packages hold the
steps of these stories.
"""

"""The fleet: it stores the files that acknowledged callbacks name. Start it with ``celery -A workers worker``.

Read ``tasks`` first, then the stories in the order of a callback's way: ``ingest`` (a callback becomes records),
``archive`` (an asset becomes an object) and ``sweep`` (timers fire, and lost messages are replaced). ``carry`` runs
many transfers at a time, and ``drain`` takes in callbacks that came while Redis was away. The packages hold the parts.
"""

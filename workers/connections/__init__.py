"""Time limits for calls to other hosts.

``attempt`` shuts down an attempt's connections when its time is over: ``cut_off_after`` opens one. ``watchdog`` is the
thread that checks the attempts. ``pools`` has the urllib3 pools whose sockets belong to the current attempt, for
sources (``POOLS``) and for the bucket (``STORE_POOLS``). ``sessions`` makes the sessions of requests, for sources and
the provider. ``lookups`` resolves names within a limit, and ``dialing`` connects to one of a name's addresses within a
limit. ``bounded`` runs any call within a limit, and ``chunks`` reads chunked bodies strictly.
"""

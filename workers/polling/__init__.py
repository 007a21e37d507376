"""The story of polling: the provider is asked about watched tasks, and its answers are recorded like callbacks.

``poll.poll`` is the door: it asks about all watched tasks that are due. ``ask`` asks about one task and acts on the
answer, ``record`` records it, and ``fresh_urls`` puts new links in place of the dead URLs that it repeats.
``refresh.request_refresh`` is the door for an asset whose URL is dead.
"""

"""The WSGI app's parts: a request is authenticated, bounded, kept and answered.

``routes`` has the endpoint, ``authentication`` the signature and the token, ``refusals`` every answer that is an
error. ``safekeeping`` keeps a callback in Redis (``batching``: many in one round trip) or in the bucket's inbox.
``health`` and ``metrics`` answer probes. The door is ``app.create_app``.
"""

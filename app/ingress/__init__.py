"""The modules of the WSGI application. The door is ``app.create_app``.

A request for ``routes`` passes ``authentication`` (signature and token) and the size limit. ``keeping`` then stores the
callback in Redis or in the bucket's inbox. ``refusals`` makes all error answers, ``request_ids`` names requests in
logs, and ``health`` and ``metrics`` answer probes.
"""

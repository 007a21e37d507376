"""The file at its origin: an HTTP stream with limits, which never connects to an address in our own network.

The door is ``opening.open_source``, with a session from ``egress.open_session``. ``opening`` sends the requests and
follows redirects, ``egress`` checks every URL and address, ``body`` reads the body and resumes it, ``speed`` has the
limit on speed, ``representation`` reads the response's headers, ``decoding`` undoes content codings, and
``raw_reads`` has the private attributes of urllib3 and http.client that ``body`` uses.
"""

"""The file's origin: an HTTP stream with limits (``stream``), which never connects to our own network (``egress``).

``representation`` reads the response's headers and ``decoding`` undoes content codings.
"""

"""Limits for whatever waits for another host.

``hard_end`` shuts an attempt's sockets when its time is over, ``bounded`` gives up on a call that does not return, and
``chunks`` reads chunked bodies strictly.
"""

"""Requests to an S3 server.

``client`` is the door: it opens botocore clients and connection pools. ``direct`` sends bodies without botocore's
machinery, ``signing`` signs those requests, and ``errors`` translates botocore's errors. ``internals`` has all uses
of botocore's private attributes.
"""

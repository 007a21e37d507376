"""The customer's bucket: objects written once, whole or not at all.

``store`` is the door. ``requests`` has the S3 requests, ``multipart`` joins parts, ``checksums`` describe bodies,
``guarantees`` says what this server checks and ``examination`` finds that out by trying.
"""

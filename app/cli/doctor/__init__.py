"""``stemvault doctor``: findings about the settings, Redis, the bucket and the fleet, each with its remedy.

``fleet`` has the door (``findings``), ``bucket`` examines the S3 server, ``rivals`` races two writers.
"""

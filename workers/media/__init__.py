"""Examines a file by its bytes: whether it is media, how long it plays, and whether its end is missing.

``content`` checks the first bytes (``content_type``, ``contradiction``), ``duration`` measures audio (``AudioSample``,
``is_short``), and ``formats`` finds the end of a file (``Follower``). ``file_types`` lists extensions and their MIME
types. ``mpeg_frames`` reads the headers of MP3 frames.
"""

"""What a file is: its type and extension, whether it is media at all, how long it plays, and where it ends.

``content`` checks the first bytes, ``duration`` measures audio, and ``formats`` finds the end of a file.
"""

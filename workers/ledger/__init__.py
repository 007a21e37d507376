"""What is known of every task and asset in flight, and when each is looked at next.

``ledger`` is the door; every change of state is one Lua script (``scripts``, ``lua/``). ``keys`` names what lies in
Redis, ``records`` has the dataclasses, ``task_record`` and ``bodies`` the stored form, and ``backoff`` computes what
follows a failed attempt.
"""

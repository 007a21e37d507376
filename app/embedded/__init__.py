"""Redis, S3, ingress, worker and beat as child processes on loopback, for ``demo``, ``up`` and the tests.

The door is ``stack.embedded_stack``. ``processes`` starts and ends child processes, ``guard`` ends them if this process
is killed, ``origin`` serves small real media files by ``loopback``, a small HTTP server. ``provider`` is
a fake provider.
"""

"""Redis, S3, ingress, worker and beat as child processes on loopback: what ``demo``, ``up`` and the tests start.

The door is ``stack.embedded_stack``. ``processes`` starts and ends them, ``guard`` ends them when this process is
killed, ``origin`` serves small real media files.
"""

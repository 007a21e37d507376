"""Commands that run everything with embedded parts, for trials: ``demo.run_demo`` and ``up.stay_up``.

``samples`` has the callbacks of the demo.
"""

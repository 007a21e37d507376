"""Commands that run everything as embedded processes, for trials: ``demo.run_demo`` and ``up.stay_up``.

``samples`` has the callbacks of the demo.
"""

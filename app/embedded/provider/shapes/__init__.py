"""The provider's families: where each is submitted and polled, its states, and its answers and callbacks.

``catalogue.FAMILIES`` has paths and states, ``records.record`` the answer to polling, ``callbacks.callback`` the
callback of a stage. ``result.Result`` is the task as all of them see it: one task at one moment.
"""

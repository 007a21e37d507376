"""Asking the provider about a task: the way to files whose callback was never delivered.

The door is ``client.ProviderClient``: ``ask`` gives an ``answers.Answer``, whose body has the shape of a delivered
callback, so that ``workers.callbacks`` reads both alike. ``families`` lists the kinds of task that can be asked about
and the meaning of their states, ``answers`` reads an answer, ``translation`` and ``separation`` turn it into the body
of a callback, and ``errors`` has the provider's refusals. All but ``client`` is pure: no clock, no network, no Redis.
"""

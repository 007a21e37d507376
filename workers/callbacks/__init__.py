"""Reading the provider's JSON: from a callback's body to the files that it names.

Everything here is pure: no clock, no network, no Redis. The door has three functions: ``parse_body`` and
``task_id_of``, which are all that the ingress needs, and ``parse_callback``.

``envelope`` finds the task id and the code; ``codes`` has the meaning of each code. ``tree`` unfolds the body and
leaves out the customer's own request. ``families`` has the shapes that the provider documents. ``general_rule`` finds
the URLs that no family names. ``naming`` makes stems and extensions. ``assets`` has the values, and
``reading`` calls the rest.
"""

from workers.callbacks.envelope import parse_body, task_id_of
from workers.callbacks.reading import MAX_ASSETS, Callback, parse_callback

__all__ = ["MAX_ASSETS", "Callback", "parse_body", "parse_callback", "task_id_of"]

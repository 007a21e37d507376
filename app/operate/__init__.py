"""The ``stemvault`` command: what people run by hand, around the ingress and the fleet."""

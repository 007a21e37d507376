"""Signs of life: ``heartbeats`` renews the leases of assets, and ``signs_of_life`` shows which processes run."""

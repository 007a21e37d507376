"""Memory for transfers: how many a worker carries, their buffers, and the parts of each file.

``capacity`` divides a worker's transfers and memory among its processes (``Capacity``), ``memory`` is the budget for
all buffers of a process (``TransferMemory``), and ``parts`` cuts a stream into parts, hashes them and sends them in
pieces (``read_parts``, ``Digest``, ``Body``).
"""

"""The tasks about which the provider is asked, the turns at which the fleet asks it, and when it asks next.

``watches.Watches`` is the door: it registers, takes and ends watches. ``turns.Turns`` has the fleet-wide rate and the
pause after a refusal; ``pauses`` makes one from the provider's error. ``schedule`` computes the time of the next
request. ``notes`` puts a watch into the bucket's inbox while Redis is away. ``workers.poll`` asks and acts on the
answers.
"""

"""The tasks about which the provider is asked, and the turns at which the fleet asks it.

``watches.Watches`` is the door: it registers, takes and ends watches, and knows when each is due. ``turns.Turns`` has
the fleet-wide rate and the pause after a refusal; ``pauses`` makes one from the error. ``notes`` puts a watch into the
bucket's inbox while Redis is away. ``workers.polling`` asks and acts on the answers.
"""

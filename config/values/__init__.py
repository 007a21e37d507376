"""How the text of an environment variable becomes a checked value, for ``config.settings``.

``kinds`` has the types whose text is converted (durations, lists, ports, rates, levels), ``checks`` those whose text
must have a form (addresses, tokens, hosts). ``upload_args.read_upload_args`` reads the one setting that is JSON.
``faults.faults_of`` writes the texts of the faults that pydantic finds.
"""

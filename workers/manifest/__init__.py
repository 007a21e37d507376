"""``<task_id>_manifest.json``: the whole record of a task in the bucket, from which Redis can be restored.

The doors are here: ``write_manifest`` and ``with_forgotten`` (``writing``), ``read_manifest`` and ``remembered_task``
(``reading``), and ``status``, ``document`` and ``snapshot_of``, which turn records into the manifest's JSON and back
(``form``).
"""

from workers.manifest.form import FORMAT, document, snapshot_of, status
from workers.manifest.reading import ManifestError, read_manifest, remembered_task
from workers.manifest.writing import with_forgotten, write_manifest

__all__ = [
    "FORMAT",
    "ManifestError",
    "document",
    "read_manifest",
    "remembered_task",
    "snapshot_of",
    "status",
    "with_forgotten",
    "write_manifest",
]

"""Files of families that have one or two, each in a field of its own, and lists of images."""

from collections.abc import Iterator, Mapping
from typing import Any

from workers.callbacks.assets import Asset
from workers.callbacks.naming import extension, url_of


def files_in(task_id: str, fields: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> Iterator[Asset]:
    """Name the file of each field; ``names`` has field → (stem, the extension if the URL has none)."""
    for field, (stem, default) in names.items():
        if url := url_of(fields.get(field)):
            yield Asset(task_id, None, stem, extension(url, default), url)


def images_in(task_id: str, images: list[object] | None) -> Iterator[Asset]:
    """Name cover images by their positions in the list, from ``image_1`` on."""
    for number, value in enumerate(images or [], start=1):
        if url := url_of(value):
            yield Asset(task_id, None, f"image_{number}", extension(url, "png"), url)

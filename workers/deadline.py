"""By when an asset must be stored."""

from config.settings import Settings
from workers.assets import Asset


def deadline_of(asset: Asset, *, received_at: float, settings: Settings) -> float:
    """Give the unix time at which the asset's URL counts as dead.

    The provider keeps files for 15 days (its music-video page says so) and serves streams for an
    unknown, short time.
    """
    return received_at + (settings.stream_retention if asset.short_lived else settings.retention)

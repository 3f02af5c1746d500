"""Binary maps as lines of one pixel."""

from __future__ import annotations

from fissura.imaging.components import as_one_component
from fissura.imaging.images import Mask
from fissura.imaging.thinning import thin


def thinned(mask: Mask) -> Mask:
    """The skeleton of an (H, W) bool map: MATLAB's `bwmorph(mask, 'thin', Inf)`, `skimage.morphology.thin(mask)`."""
    component = as_one_component(mask)
    thin(component.canvas, component.pixels, component.pixels[component.on_border])
    return component.canvas[1:-1, 1:-1]

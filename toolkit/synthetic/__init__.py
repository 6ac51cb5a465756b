"""合成数据: a synthetic region with known truth, for trying, testing and measuring. Nothing in it is a real record."""

from toolkit.synthetic.canonical import discharges, write_discharges
from toolkit.synthetic.front_page import write_front_pages
from toolkit.synthetic.region import SyntheticRegion
from toolkit.synthetic.selection import generate
from toolkit.synthetic.settings import DEFAULT_EFFECTS, MARK, Effect, Settings

__all__ = [
    "DEFAULT_EFFECTS",
    "MARK",
    "Effect",
    "Settings",
    "SyntheticRegion",
    "discharges",
    "generate",
    "write_discharges",
    "write_front_pages",
]

"""The colours of every picture; known without anything that draws."""

from __future__ import annotations

# Okabe and Ito's colours that also differ in lightness; never the only sign: marks and line styles differ too
UNIT = "#0072B2"
WORSE = "#D55E00"
PEER = "#8A929A"
INK = "#1B1F24"
SOFT = "#59636E"
RULE = "#C9D0D8"
SHADE = "#EEF1F4"

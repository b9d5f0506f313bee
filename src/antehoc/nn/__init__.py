"""Networks without opinions: backbones by stages, and losses."""

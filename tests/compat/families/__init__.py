"""What of each family of keys is compared with a real Redis; see tests/compat/differential.py."""

from __future__ import annotations

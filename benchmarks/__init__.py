"""Measurements that can be repeated: every published number comes from here."""

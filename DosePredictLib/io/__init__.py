"""Files to core objects and back; only reads and writes."""

"""Where things are and what became of them: stores, partitions, shards, manifest, reader."""

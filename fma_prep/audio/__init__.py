"""Bytes and arrays in, arrays out: decode, one channel, resample, normalise, mu-law. No paths, stores or Spark."""

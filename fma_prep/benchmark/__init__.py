"""This pipeline beside everything else, measured in one run: corpus, contenders, measurements, charts, simulation."""

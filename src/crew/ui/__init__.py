"""The live page and the metrics of `crew ui`: on loopback, behind a token."""

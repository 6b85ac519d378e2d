"""The pure part: no files, processes, network, clock or environment. Everything here is data and functions."""

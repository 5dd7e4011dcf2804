"""What our speed is held against; `make bench`."""

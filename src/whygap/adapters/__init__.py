"""One thin file per framework; each hands the same observation to the ladder. Import the one that you need."""

"""Other people's drift detectors, each in a process and a virtual environment of its own."""

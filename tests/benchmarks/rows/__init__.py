"""The rows of ``all.py``, a file for each kind of work: its subjects, its peers and its limits."""

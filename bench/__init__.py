"""Side-by-side benchmark: this node and the Python TAXII servers, on one machine, in one run (``python -m bench``)."""

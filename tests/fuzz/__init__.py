"""Coverage-guided fuzzing: ``python -m tests.fuzz [--seconds N] [TARGET ...]``, after ``tools/environment fuzz``.

A target is a line of ``TARGETS``: a function that reads hostile bytes and may raise nothing but what it is told to.
"""

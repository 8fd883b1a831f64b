"""Why do a training score and a validation score differ, in this run, and by how much for each reason?"""

__version__ = "0.1.0"

"""Terms in, ranked causes and sentences out."""

from whygap.verdict.judge import judge

__all__ = ["judge"]

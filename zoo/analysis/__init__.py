"""Numbers of networks: `analyze` reads a model once and everything else is a pure function of that graph."""

from zoo.analysis.report import BlockNumbers, LayerNumbers, Report, analyze, report

__all__ = ["BlockNumbers", "LayerNumbers", "Report", "analyze", "report"]

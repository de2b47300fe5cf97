"""What a run will take, and whether today's allowances and budgets have room for it."""

from crew.forecast.estimate import Estimate, Spread, estimate
from crew.forecast.fit import Fit, RoleFit, Served, fit
from crew.forecast.text import forecast_document, forecast_lines

__all__ = [
    "Estimate",
    "Fit",
    "RoleFit",
    "Served",
    "Spread",
    "estimate",
    "fit",
    "forecast_document",
    "forecast_lines",
]

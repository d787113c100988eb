"""Metrics as people read them: shares in per cent, errors in the unit of the data."""

from __future__ import annotations

__all__ = ["METRIC_NAMES", "interval_text", "metric_text"]

#: How a metric is called in a sentence.
METRIC_NAMES = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "f1": "F1", "auc": "AUC", "map50": "mAP50",
    "map50_95": "mAP50-95", "r2": "R2", "mae": "MAE", "rmse": "RMSE", "map": "mAP", "recall": "recall",
    "precision": "precision",
}  # fmt: skip


def metric_text(metric: str, value: float | None) -> str:
    """A number to read; `-` for one that is undefined.

    Example:
        >>> metric_text("accuracy", 0.9134), metric_text("r2", 0.87654), metric_text("mae", 12.34567)
        ('91.34 %', '0.877', '12.35')
        >>> metric_text("f1", None)
        '-'
    """
    if value is None:
        return "-"
    if metric == "r2":
        return f"{value:.3f}"
    return f"{value:.4g}" if metric in ("mae", "rmse") else f"{100 * value:.2f} %"


def interval_text(low: float, high: float) -> str:
    """An interval of shares.

    Example:
        >>> interval_text(0.8813, 0.9441)
        '88.1 to 94.4 %'
    """
    return f"{100 * low:.1f} to {100 * high:.1f} %"

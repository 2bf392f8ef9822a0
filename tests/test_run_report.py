"""The page that a training leaves in its run folder."""

from __future__ import annotations

import json

from gloze.report import write_run_report


def test_a_run_is_shown_with_its_figures_and_curves(tmp_path):
    rows = [
        {"step": 1, "tokens": 10, "loss": 2.0, "mlm_loss": 2.0, "mlm_accuracy": 0.1, "lr": 0.1},
        {"step": 2, "tokens": 20, "loss": 1.0, "mlm_loss": 1.0, "mlm_accuracy": 0.2, "lr": 0.0},
        {"step": 2, "tokens": 20, "split": "valid", "loss": 1.5, "mlm_loss": 1.5},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    path = write_run_report(tmp_path, "Run <1>", {"parameters": 1234, "loss": 1.5}, ["A note."])
    page = path.read_text(encoding="utf-8")
    assert path == tmp_path / "report.html"
    for text in ("Run &lt;1&gt;", "1,234", "A note.", "mlm_loss, train", "mlm_loss, valid", "<svg"):
        assert text in page


def test_a_run_without_metrics_still_has_a_page(tmp_path):
    page = write_run_report(tmp_path, "Run", {"steps": 0}).read_text(encoding="utf-8")
    assert "<svg" not in page
    assert "steps" in page

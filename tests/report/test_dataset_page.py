"""The page about a data set: what it says, and that names in it are text."""

import numpy as np
import pytest

from tsrl.report.dataset_page import Line, Picture, channel_rows, write_dataset_page

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_channels_in_numbers():
    x = np.array([[[1.0, np.nan, 5.0]], [[3.0, np.nan, np.nan]]], np.float32)
    assert channel_rows(x, ["a", "b", "c"]) == [
        {"channel": "a", "mean": "2", "std": "1", "min": "1", "max": "3", "missing": "0.00 %"},
        {"channel": "b", "mean": "-", "std": "-", "min": "-", "max": "-", "missing": "100.00 %"},
        {"channel": "c", "mean": "5", "std": "0", "min": "5", "max": "5", "missing": "50.00 %"},
    ]
    with pytest.raises(ValueError, match="argument 2 is longer"):
        channel_rows(x, ["a", "b"])


@pytest.fixture
def written(tmp_path):
    def write(name="mine", counts=None, notes=(), title="p", bands=((2, 4, "train"), (5, 6, "test"))):
        x = np.random.default_rng(0).normal(size=(7, 2))
        x[3] = np.nan
        panels = {title: [Line("a", x[:, 0]), Line("b", x[:, 1])], "q": [Line("a", x[:, 1])]}
        picture = Picture(panels, np.arange(7) * 10, "seconds", bands, "Two panels")
        path = tmp_path / "page.html"
        write_dataset_page(path, name, {"steps": "7"}, channel_rows(x, ["p", "q"]), counts or {}, picture, notes)
        return path.read_text(encoding="utf-8")

    return write


def test_says_everything(written):
    text = written(counts={"walking": [3, 4]}, notes=["2 gaps in series 7"])
    body = text[text.index("<body>") :]
    for part in ("<h1>mine</h1>", "walking", "2 gaps in series 7", "Two panels", "Channels", "Validation"):
        assert part in body
    # A line drawn in two panels stands in the legend once; the third is the figure's own.
    assert body.count('"name":"a"') == 2
    assert body.count('"showlegend":true') == 3
    assert body.count('"type":"rect"') == 2


def test_leaves_out_what_there_is_not(written):
    body = written(bands=()).partition("<body>")[2]
    assert "Classes" not in body
    assert "Validation" not in body
    assert '"type":"rect"' not in body


def test_names_are_text(written):
    text = written(name=EVIL, counts={EVIL: [1, 1]}, notes=[EVIL], title=EVIL)
    assert "<script>alert" not in text
    assert "<img src=x" not in text

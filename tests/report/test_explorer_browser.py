"""The page about many runs in a real browser: what stands there, choosing, sorting, hostile names, dark, narrow."""

import copy

import numpy as np
import pytest
from browser import By, Keys, OpenPage, needs_browser
from test_explorer import many

from tsrl.evaluate.compare import average_ranks, cliques, wilcoxon_holm
from tsrl.report.collected import Run, collected
from tsrl.report.explorer import Extra, explorer_page
from tsrl.report.schema import row

pytestmark = needs_browser

ATTACK = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>"


class Page(OpenPage):
    def open(self, runs, extras=(), width=1200, scheme="light"):
        self.show(explorer_page(collected(runs), extras), width, scheme)
        self.run("return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
        return self

    def table(self):
        """Method -> texts of the other cells."""
        script = "const rows = [...document.querySelectorAll('#table tbody tr')];"
        rows = self.run(f"{script} return rows.map((row) => [...row.cells].map((cell) => cell.innerText))")
        return {first: [" ".join(text.split()) for text in rest] for first, *rest in rows}

    def uncheck(self, kind, name):
        self.run(f"document.getElementById('{kind}').open = true")
        (box,) = [label for label in self.all(f"#{kind} label.item") if label.text.strip() == name]
        box.find_element(By.TAG_NAME, "input").click()


@pytest.fixture
def page(driver, tmp_path):
    """Every test ends without a word in the console and without a request but that of the page."""
    page = Page(driver, tmp_path)
    yield page
    assert driver.get_log("browser") == []
    assert {url for url in page.requests() if not url.startswith(("data:", "blob:"))} == {
        f"file://{tmp_path}/page.html"
    }


def sets(report, scores):
    """A report for each method and data set; scores: method -> accuracies, one a data set."""
    runs = []
    for method, accuracies in scores.items():
        for n, accuracy in enumerate(accuracies):
            one = copy.deepcopy(report) | {"method": method, "published": [], "seeds": [0, 1]}
            one["dataset"]["name"] = f"set {n}"
            one["results"] = [
                row(method, "method", "svc", {"accuracy": accuracy + d, "kappa": 0.5}, seed=s)
                for s, d in ((0, -0.01), (1, 0.01))
            ]
            runs.append(Run(f"{method} {n}", one))
    return runs


THREE = {"alpha": [0.9, 0.8], "beta": [0.7, 0.95], "gamma": [0.5, 0.6]}


def test_rows_marks_and_axes(page, report):
    quoted = {"protocol": "svc", "metric": "accuracy", "cell": {}, "value": 0.99, "source": "some paper, Table 1"}
    runs = sets(report, THREE)
    runs[0].report["published"].append(quoted)
    curve = [{"step": n, "loss": [3 / n, 2 / n], "health": {"effective_rank": [4, 5]}} for n in (1, 2, 3)]
    page.open(runs, [Extra("alpha 0", [0, 1], (), curve, {})])
    table = page.table()
    assert table["alpha"][:3] == ["svc", "1.50", "0.900★ best ±0.014"]
    assert "☆ second best" in table["beta"][2]
    assert "★ best" in table["beta"][3]
    assert table["gamma"][2] == "0.500 ±0.014"
    assert table["alpha (published)"][1:3] == ["-", "0.9901"]
    assert "some paper, Table 1" in page.all("#sources")[0].text
    assert len(page.all("#table .best")) == len(page.all("#table .second")) == 2
    titles = [title.text for title in page.all(".xtitle, .ytitle")]
    assert titles == ["Accuracy on set 0", "step", "training loss", "step", "effective rank"]
    assert len(page.all("#bars .bars .point")) == 4
    assert "alpha, svc 1.50" in page.run("return document.querySelector('#ranks title').textContent")


def test_choosing_and_sorting_by_keyboard(page, report):
    page.open(sets(report, THREE))
    assert list(page.table()) == ["alpha", "beta", "gamma"]
    (head,) = [button for button in page.all("#table thead button") if button.text.startswith("set 1")]
    page.run("arguments[0].focus()", head)
    head.send_keys(Keys.ENTER)
    assert list(page.table()) == ["beta", "alpha", "gamma"]
    assert page.all("#table [aria-sort]")[0].get_attribute("aria-sort") == "descending"
    assert page.run("return document.activeElement.textContent") == "set 1"
    page.driver.switch_to.active_element.send_keys(Keys.SPACE)
    assert list(page.table()) == ["gamma", "alpha", "beta"]
    page.uncheck("methods", "alpha")
    assert set(page.table()) == {"beta", "gamma"}
    assert "★" in page.table()["beta"][2]
    page.uncheck("datasets", "set 0")
    assert page.run("return document.querySelector('#table thead tr').cells.length") == 4
    page.run("const m = document.getElementById('metric'); m.selectedIndex = 1; m.dispatchEvent(new Event('change'))")
    assert "Kappa" in page.all("#count")[0].text
    page.all("#methods .list button")[1].click()
    assert page.table() == {}
    assert "Nothing has all that is chosen" in page.all("#count")[0].text


@pytest.mark.parametrize("count", [6, 12, 20])
@pytest.mark.parametrize("ties", [False, True])
def test_ranks_and_tests_are_those_of_python(page, report, count, ties):
    random = np.random.default_rng(count)
    scores = random.uniform(size=(count, 4)).round(1 if ties else 6) + np.array([0.5, 0.4, 0.0, 0.45])
    page.open(sets(report, {"alpha": [0.5]}))
    script = "const p = Statistics.adjusted(arguments[0]), r = Statistics.averageRanks(arguments[0], true);"
    ranks, p, groups = page.run(f"{script} return [r, p, Statistics.cliques(r, p, 0.05)]", scores.tolist())
    want = wilcoxon_holm(scores)
    np.testing.assert_allclose(p, want.adjusted, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(ranks, average_ranks(scores))
    assert [tuple(group) for group in groups] == cliques(average_ranks(scores), want.different)


def test_hostile_names_do_not_run(page, report):
    runs = sets(report, THREE)
    runs[0].report["dataset"]["name"] = ATTACK
    runs[0].report["method"] = runs[0].report["results"][0]["model"] = ATTACK
    curve = [{"step": n, "loss": [1.0, 2.0]} for n in (1, 2)]
    page.open([runs[0]._replace(name=ATTACK), *runs[1:]], [Extra(ATTACK, [0, 1], (), curve, {})])
    page.run("document.getElementById('runs').open = true")
    assert page.run("return window.hacked") is None
    assert page.run("return document.images.length") == 0
    assert any(ATTACK in head.text for head in page.all("#table thead th"))


def test_500_runs_open_quickly(page, report):
    opened, took = page.open(many(report)), []
    # Another test runs beside: the quickest of a few says what the page itself takes.
    for _ in range(4):
        opened.driver.refresh()
        made = "const [t] = performance.getEntriesByType('navigation'); return t.loadEventEnd - t.startTime"
        took.append(page.run(made))
    assert len(page.table()) == 30  # ten methods, as many untrained, a control that differs beside each
    assert min(took) < 2000, took


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_fits_the_screen(page, report, width, scheme):
    runs = sets(report, THREE | {"x" * 80: [0.1, 0.2]})
    page.open(
        runs, [Extra("alpha 0", [0, 1], (), [{"step": n, "loss": [1.0, 2.0]} for n in (1, 2)], {})], width, scheme
    )
    for part in page.all("details"):
        page.run("arguments[0].open = true", part)
    assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    paper = {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 25, 29)"}[scheme]
    assert page.run("return getComputedStyle(document.body).backgroundColor") == paper

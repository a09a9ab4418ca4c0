"""The page about users' behaviour in a real browser: mouse, keyboard, hostile names, dark, narrow, no network."""

import pytest
from browser import By, Keys, OpenPage, needs_browser
from small_record import small_record
from test_behaviour_page import hostile

from tsrl.report.behaviour import behaviour_page

pytestmark = needs_browser

ATTACK = (
    """</script><script>window.hacked=1</script><img src=x onerror="window.hacked=2">" onmouseover="window.hacked=3"""
)


class Page(OpenPage):
    def open(self, record, width=1200, scheme="light"):
        return self.show(behaviour_page(record), width, scheme)

    def press(self, *keys):
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def focused(self):
        """Number of the row or mark that has the focus."""
        script = "const e = document.activeElement; return e.dataset.n ?? e.closest('tr')?.dataset.n"
        return self.run(script)

    def shown(self):
        """Numbers of the rows that are not hidden."""
        script = "return [...document.querySelectorAll('#alarms tr[data-n]')].map((row) => row.checkVisibility())"
        return [n for n, seen in enumerate(self.run(script)) if seen]

    def opened(self):
        """Number of the open row, after it has been checked that its details stand below it."""
        rows = self.all("#alarms tr.open")
        assert len(rows) == len(self.all("#detail")) <= 1
        if not rows:
            assert not self.all("[aria-expanded=true]")
            return None
        assert self.run("return arguments[0].nextElementSibling.id", rows[0]) == "detail"
        button = rows[0].find_element(By.TAG_NAME, "button")
        assert (button.get_attribute("aria-expanded"), button.get_attribute("aria-controls")) == ("true", "detail")
        return int(rows[0].get_attribute("data-n"))

    def overflows(self):
        return self.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.fixture
def page(driver, tmp_path):
    """Every test ends without a word in the console and without a request but that of the page."""
    page = Page(driver, tmp_path)
    yield page
    assert driver.get_log("browser") == []
    assert set(page.requests()) == {f"file://{tmp_path}/page.html"}
    assert page.run("return performance.getEntriesByType('resource').length") == 0


def test_a_row_opens_and_closes(page):
    page.open(small_record(alarms=3, events=40))
    row = page.all("#alarms tr[data-n]")[1]
    row.find_elements(By.TAG_NAME, "td")[1].click()
    assert page.opened() == 1
    detail = page.all("#detail")[0]
    assert len(detail.find_elements(By.CSS_SELECTOR, ".timeline tbody tr")) == 40
    assert [flag.text for flag in detail.find_elements(By.CSS_SELECTOR, ".flag")] == ["first alarm", *["alarm"] * 3]
    assert len(detail.find_elements(By.CSS_SELECTOR, ".timeline .context")) == 10
    causes = detail.find_elements(By.CSS_SELECTOR, ".causes li")
    assert len(causes) == 5
    for told in ("export", "Expected instead\nbuy 41 %", "This user usually\nview 60 %, search 3.2 %"):
        assert told in causes[0].text
    assert "habits: a run of events that are unusual for this user" in detail.text
    page.all("#alarms tr[data-n]")[2].click()
    assert page.opened() == 2
    page.all("#alarms tr[data-n]")[2].click()
    assert page.opened() is None


def test_the_first_alarm_of_a_timeline_is_in_sight_and_bars_are_to_scale(page):
    page.open(small_record(alarms=1, events=60)).all("#alarms tr[data-n]")[0].click()
    box, line = page.all(".timeline")[0].rect, page.all(".timeline tr.alarm")[0].rect
    assert box["y"] < line["y"] < box["y"] + box["height"] - line["height"]
    amounts = [float(cell.text.replace("\u2212", "-")) for cell in page.all(".timeline .amount span:first-child")]
    widths = page.run("return [...document.querySelectorAll('.timeline .bar i')].map((e) => parseFloat(e.style.width))")
    assert widths == pytest.approx([100 * abs(amount) / max(amounts) for amount in amounts], abs=0.2)
    below = ["minus" in bar.get_attribute("class") for bar in page.all(".timeline .bar")]
    assert below == [cell.text.startswith("\u2212") for cell in page.all(".timeline .amount span:first-child")]


def test_a_mark_of_the_map_opens_its_alarm(page):
    page.open(small_record(alarms=5))
    mark = page.all("#map button")[3]
    mark.click()
    assert page.opened() == 3
    assert page.focused() == "3"
    row = page.run("return document.querySelector('tr.open').getBoundingClientRect().top")
    assert -1 <= row < 900
    user = page.run("return document.querySelector('tr.open button').textContent")
    assert user in mark.get_attribute("aria-label")
    assert user in page.all("#tip")[0].text
    assert "own" in mark.get_attribute("class")
    ours = page.run("return JSON.parse(document.getElementById('record').textContent)")
    number = ours["texts"].index(user)
    assert len(page.all("#map circle.own")) == sum(dot[0] == number for dot in ours["dots"])


def test_keyboard_alone(page):
    page.open(small_record(alarms=5))
    page.all("#filter")[0].click()
    page.press(Keys.TAB)
    assert page.focused() == "0"
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.focused() == "2"
    assert page.run("return getComputedStyle(document.activeElement.closest('tr')).outlineStyle") == "solid"
    page.press(Keys.ENTER)
    assert (page.opened(), page.focused()) == (2, "2")
    page.press(Keys.TAB)
    assert page.driver.switch_to.active_element.text == "Close"
    page.press(Keys.TAB)
    assert page.driver.switch_to.active_element.get_attribute("class") == "timeline"
    page.press(Keys.ESCAPE)
    assert (page.opened(), page.focused()) == (None, "2")
    page.press(Keys.END, Keys.ARROW_DOWN)
    assert page.focused() == "4"
    page.press(Keys.HOME, Keys.ARROW_UP)
    assert page.focused() == "0"
    page.press(Keys.SPACE)
    assert page.opened() == 0
    page.press(Keys.ENTER)
    assert page.opened() is None
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    # One stop for the whole list: Tab back and forth comes to the row that was left.
    page.driver.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB)
    assert page.driver.switch_to.active_element.get_attribute("id") == "filter"
    page.press(Keys.TAB)
    assert page.focused() == "2"


def test_keyboard_on_the_map(page):
    page.open(small_record(alarms=5))
    page.press(Keys.TAB)
    assert page.run("return document.activeElement.closest('#map') !== null")
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    assert page.focused() == "1"
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(Keys.ENTER)
    assert (page.opened(), page.focused()) == (1, "1")


def test_filter(page):
    record = small_record(alarms=6)
    for n, alarm in enumerate(sorted(record["alarms"], key=lambda alarm: alarm["p_value"])):
        alarm["user"] = ("Ann", "Bob", "anna", "<b>", "Joe", "Sue")[n]
    record["map"] = None
    page.open(record)
    field, found = page.all("#filter")[0], page.all("#found")[0]
    page.all("#alarms tr[data-n]")[1].click()
    field.send_keys("ANN")
    assert (page.shown(), found.text, page.opened()) == ([0, 2], "2 of 6 alarms", None)
    page.press(Keys.TAB)
    page.press(Keys.ARROW_DOWN)
    assert page.focused() == "2"
    field.clear()
    field.send_keys("<b>")
    assert page.shown() == [3]
    # What had the Tab key's stop is hidden; the stop is where it can be reached.
    page.press(Keys.TAB)
    assert page.focused() == "3"
    field.send_keys("nobody")
    assert (page.shown(), found.text) == ([], "0 of 6 alarms")
    field.clear()
    field.send_keys(" ", Keys.BACKSPACE)
    assert (len(page.shown()), found.text) == (6, "6 alarms")


def test_a_mark_whose_row_is_filtered_out_brings_it_back(page):
    page.open(small_record(alarms=4))
    page.all("#filter")[0].send_keys("nobody")
    assert len(page.all("#map button.off")) == 4
    page.all("#map button")[2].click()
    assert (page.opened(), len(page.shown())) == (2, 4)
    assert not page.all("#map button.off")


def test_many_alarms_open_quickly(page):
    page.open(small_record(alarms=500, events=60, units=3000))
    took = page.run("const [t] = performance.getEntriesByType('navigation'); return t.loadEventEnd - t.startTime")
    assert took < 5000
    assert len(page.shown()) == 50
    assert page.all("#found")[0].text == "500 alarms"
    page.run("window.began = performance.now(); document.querySelector('#alarms tr[data-n]').click()")
    assert page.run("document.body.offsetHeight; return performance.now() - window.began") < 2000
    page.all("#all")[0].click()
    assert len(page.shown()) == 500
    assert page.focused() == "50"
    assert not page.all("#all")[0].is_displayed()
    # A mark of a row that is not shown at first.
    page.open(small_record(alarms=500, events=2, units=3000))
    page.run("document.querySelector('#map button[data-n=\"300\"]').click()")
    assert page.opened() == 300


def test_hostile_names_do_not_run(page):
    page.open(hostile(ATTACK))
    for row in page.all("#alarms tr[data-n]"):
        page.run("arguments[0].click()", row)
    for place in page.all("#map circle")[:5] + page.all("#map button")[:5]:
        page.run("arguments[0].dispatchEvent(new MouseEvent('mouseover', {bubbles: true}))", place)
    assert page.run("return window.hacked") is None
    assert page.run("return document.images.length") == 0
    assert page.run("return document.scripts.length") == 4
    assert page.run("return document.title") == ATTACK
    for selector in ("h1", "#alarms th button", ".timeline td .cell", ".timeline thead th:nth-child(3)", ".kinds li",
                     ".causes .part span", ".causes dd", "#detail h3", "#tip"):  # fmt: skip
        assert ATTACK in page.run("return document.querySelector(arguments[0]).textContent", selector), selector
    page.all("#filter")[0].send_keys("</script>")
    assert len(page.shown()) == 5


def shapes():
    """Records that a page may have to show."""
    long = small_record(alarms=3)
    long["title"] = "x" * 300
    for alarm in long["alarms"]:
        alarm["user"], alarm["start"], alarm["nearest"] = "u" * 200, "s" * 60, [["n" * 200, "s" * 60]]
        alarm["evidence"] = {"k" * 100: 0.001}
        for event in alarm["events"]:
            event["cells"] = ["c" * 300, "a long text of many words " * 20, None, ""]
        for cause in alarm["causes"]:
            cause["fields"], cause["own"] = {"f" * 100: 1e9}, [["o" * 100, 0.5]]
    bare = {"alarms": [], "map": None, "periods": [], "drift": None, "drift_over_time": []}
    one = small_record(alarms=1, events=1, units=1, weeks=1)
    return {
        "usual": small_record(alarms=5, events=60, units=200),
        "hours": small_record(alarms=30, events=3, units=200, weeks=400),
        "no dates": small_record(dates=False),
        "long words": long,
        "nothing": small_record() | bare,
        "one": one,
        "hostile": hostile(ATTACK),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_fits_the_screen(page, width, scheme):
    for name, record in shapes().items():
        page.open(record, width, scheme)
        assert not page.overflows(), name
        for row in page.all("#alarms tr[data-n]")[:1]:
            page.run("arguments[0].click()", row)
            assert page.opened() == 0
            assert not page.overflows(), f"{name}, open"
            assert page.all("#detail")[0].rect["width"] <= width


# Of every text: the ratio that WCAG 2 asks to be 4.5 or more, and where it stands.
CONTRAST = """
const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
const light = (colour) => {
  const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(linear);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (e) => {
  const colour = getComputedStyle(e).backgroundColor;
  return /, 0\\)$/.test(colour) ? behind(e.parentElement) : colour;
};
const direct = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
const seen = [...document.querySelectorAll("main *")].filter((e) => !e.closest("svg, script") && e.checkVisibility());
return seen.filter(direct).map((e) => {
  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
  return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)];
});
"""


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(21, 25, 29)")])
def test_text_can_be_read(page, scheme, paper):
    page.open(small_record(), scheme=scheme)
    page.all("#alarms tr[data-n]")[0].click()
    assert page.run("return getComputedStyle(document.body).backgroundColor") == paper
    found = page.run(CONTRAST)
    assert len(found) > 100
    assert min(found)[0] >= 4.5, min(found)

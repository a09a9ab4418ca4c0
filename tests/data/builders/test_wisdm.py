"""WISDM's text with its defects, and the windows made of it."""

import io
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.builders.specs import SPECS
from tsrl.data.builders.wisdm import _records, read_wisdm
from tsrl.errors import InputError

CLASSES = SPECS["WISDM"].facts.classes
IDS = {name: number for number, name in enumerate(CLASSES)}


def records(text):
    return [(*record[:2], *record.acceleration) for record in _records("raw.txt", text.encode(), IDS)]


def test_the_published_defects():
    text = (
        "33,Jogging,49105962326000,-0.6946377,12.680544,0.50395286;\n"
        "33,Jogging,49106062271000,5,11,0.25;33,Jogging,49106112167000,4,10,-0.5;\n"  # two in a line
        "\n"
        "33,Jogging,49106222305000,1,2,3\n"  # no semicolon
        "33,Walking,0,1,2,4,;\n"  # a comma too many
        "33,Walking,0,1,2,5;;\n"  # an empty record
        "33,Walking,0,7,8,;\n"  # no z
        "33,Walking,0,9,8,\n"  # no z, no semicolon
        ";\r\n"
    )
    assert records(text) == [
        (33, "Jogging", -0.6946377, 12.680544, 0.50395286),
        (33, "Jogging", 5, 11, 0.25),
        (33, "Jogging", 4, 10, -0.5),
        (33, "Jogging", 1, 2, 3),
        (33, "Walking", 1, 2, 4),
        (33, "Walking", 1, 2, 5),
        (33, "Walking", 7, 8, 5),
        (33, "Walking", 9, 8, 5),
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("33,Jogging,1,2,3,4,5;", "raw.txt: line 2: found '33,Jogging,1,2,3,4,5', want user,activity,timestamp,x,y,z"),
        ("33,Jogging,1,2;", "raw.txt: line 2: found '33,Jogging,1,2', want user"),
        ("33,Flying,1,2,3,4;", "raw.txt: line 2: found the activity 'Flying', want one of Walking, Jogging"),
        ("33,Jogging,1,2,y,4;", "raw.txt: line 2: found .*'y'.*, want numbers"),
        ("me,Jogging,1,2,3,4;", "raw.txt: line 2: found .*'me'.*, want numbers"),
        ("33,Jogging,,2,3,4;", "raw.txt: line 2: found .*, want numbers"),
    ],
)
def test_other_defects_are_refused(record, message):
    with pytest.raises(InputError, match=message):
        records(f"1,Walking,0,1,2,3;\n{record}\n")


def test_no_z_to_take_over():
    with pytest.raises(InputError, match=r"line 1: found '1,Walking,0,1,2' without z, and no record before it"):
        records("1,Walking,0,1,2,;\n")


number = st.floats(-20, 20, width=32)


@given(
    st.lists(st.tuples(st.integers(1, 36), st.sampled_from(CLASSES), number, number, number), max_size=12), st.data()
)
@settings(max_examples=60)
def test_any_records_come_back_whatever_stands_between_them(rows, data):
    between = st.sampled_from([";\n", "\n", ";", ",;\n", ";\n\n", ";;\n"])
    text = "".join(f"{u},{a},17,{x!r},{y!r},{z!r}{data.draw(between)}" for u, a, x, y, z in rows)
    assert records(text) == rows


def windows_slowly(rows):
    """Windows, labels and users as the published code orders them, written another way: sample by sample."""
    runs = []  # user's run, activity, samples
    for row in rows:
        if not runs or runs[-1][0] != row[0] or runs[-1][2] != row[1]:
            new_run = not runs or runs[-1][0] != row[0]
            runs.append((row[0], runs[-1][1] + new_run if runs else 0, row[1], []))
        runs[-1][3].append(row[2:])
    users = list(dict.fromkeys(run[0] for run in runs))
    first_seen = {}
    for _, number, activity, _ in runs:
        first_seen.setdefault((number, activity), len(first_seen))
    runs.sort(key=lambda run: (users.index(run[0]), run[1], first_seen[run[1], run[2]]))
    return [
        (samples[start : start + 256], IDS[activity], str(user))
        for user, _, activity, samples in runs
        for start in range(0, len(samples) - 255, 256)
    ]


# User and activity with the number of samples of each run: users come back, activities too, some are too short.
RUNS = [
    *((3, "Walking", 600), (3, "Sitting", 256), (3, "Walking", 300), (1, "Jogging", 255), (1, "Standing", 520)),
    *((3, "Upstairs", 257), (1, "Jogging", 800), (2, "Downstairs", 1300), (2, "Walking", 10), (2, "Downstairs", 512)),
]


def sample_rows():
    random = np.random.default_rng(0)
    return [
        (user, activity, *map(float, random.normal(size=3).astype(np.float32)))
        for user, activity, count in RUNS
        for _ in range(count)
    ]


@pytest.mark.parametrize("packed", [True, False])
def test_windows_and_their_draw(tmp_path, packed):
    from sklearn.model_selection import train_test_split

    rows = sample_rows()
    text = "".join(f"{u},{a},{t},{x!r},{y!r},{z!r};\n" for t, (u, a, x, y, z) in enumerate(rows)).encode()
    path = tmp_path / ("WISDM_ar_latest.tar.gz" if packed else "WISDM_ar_v1.1_raw.txt")
    if packed:
        with tarfile.open(path, "w:gz") as archive:
            for name, content in (("readme.txt", b"words"), ("WISDM_ar_v1.1_raw.txt", text)):
                entry = tarfile.TarInfo(f"WISDM_ar_v1.1/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    else:
        path.write_bytes(text)
    found = read_wisdm([path], CLASSES)
    expected = windows_slowly(rows)
    assert len(expected) == 17
    rest, test = train_test_split(expected, test_size=0.2, random_state=42)
    train, validation = train_test_split(rest, test_size=0.2, random_state=42)
    for split, part in {"train": train, "validation": validation, "test": test}.items():
        np.testing.assert_array_equal(found[split].x, np.array([window for window, _, _ in part], np.float32))
        assert found[split].y.tolist() == [label for _, label, _ in part]
        assert found[split].group.tolist() == [user for _, _, user in part]


def test_the_published_number_of_windows_gives_the_published_splits():
    """4,091 windows, of which a fifth and then a fifth of the rest: 655 are those of a published validation split."""
    rows = SPECS["WISDM"].facts.rows
    assert sum(rows.values()) == 4091
    test = -(-4091 // 5)
    assert (rows["test"], rows["validation"]) == (test, -(-(4091 - test) // 5))


def test_too_few_windows(tmp_path):
    (tmp_path / "WISDM_ar_v1.1_raw.txt").write_text("1,Walking,0,1,2,3;\n" * 600)
    with pytest.raises(InputError, match="found 2 windows of 256 samples, want enough to split"):
        read_wisdm([tmp_path / "WISDM_ar_v1.1_raw.txt"], CLASSES)
    (tmp_path / "WISDM_ar_v1.1_raw.txt").write_text("")
    with pytest.raises(InputError, match="found 0 windows"):
        read_wisdm([tmp_path / "WISDM_ar_v1.1_raw.txt"], CLASSES)

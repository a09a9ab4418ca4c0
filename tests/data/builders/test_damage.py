"""Damaged files of every published format: an InputError, or contents, and nothing else."""

import gzip
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_epilepsy import COLUMNS, lines
from test_har import FACTS, archive, arrays, texts

from tsrl.data.builders.csv_tables import read_dated_csv, read_lstnet_exchange
from tsrl.data.builders.epilepsy import read_epilepsy
from tsrl.data.builders.har import read_har
from tsrl.data.builders.wisdm import read_wisdm
from tsrl.errors import InputError

DATED = "".join(f"2016-07-0{day} 00:00:00,{day},0.5\n" for day in range(1, 9))
FORMATS = {
    "x.csv": ("date,a,OT\n" + DATED, partial(read_dated_csv, columns=("a", "OT"))),
    "x.txt": ("1,2\n3,4\n" * 9, partial(read_lstnet_exchange, columns=("a", "OT"))),
    "x.txt.gz": (gzip.compress(b"1,2\n3,4\n" * 9), partial(read_lstnet_exchange, columns=("a", "OT"))),
    "data.csv": ("\n".join([f"Unnamed,{COLUMNS},y", *lines(6)]), read_epilepsy),
    "raw.txt": ("1,Walking,0,1.5,2,3;\n" * 1400, partial(read_wisdm, classes=("Walking",))),
}


def damaged(content, places):
    for place, length, patch in places:
        at = place % (len(content) + 1)
        content = content[:at] + patch + content[at + length :]
    return content


def outcome(read, path):
    """The message where it is refused, otherwise the file's name."""
    try:
        read([path])
    except InputError as error:
        return str(error)
    return path.name


patches = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b",", b"\n", b":", b";", b'"', b"nan", b"1e99", b"\x00", b"/", b"\r"]),
)
damage = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), patches), min_size=1, max_size=3)


@pytest.mark.parametrize("name", FORMATS)
@given(places=damage)
@settings(max_examples=60, deadline=None)
def test_damaged_text(name, places):
    content, read = FORMATS[name]
    content = content.encode() if isinstance(content, str) else content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        read([path])
        path.write_bytes(damaged(content, places))
        assert path.name.removesuffix(".gz") in outcome(read, path)


@pytest.fixture(scope="module")
def har(tmp_path_factory):
    return archive(tmp_path_factory.mktemp("har") / "HAR.zip", texts(arrays())).read_bytes()


@given(places=damage)
@settings(max_examples=40, deadline=None)
def test_damaged_archive(har, places):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "HAR.zip")
        path.write_bytes(damaged(har, places))
        assert "HAR.zip" in outcome(partial(read_har, channels=FACTS.channels, classes=FACTS.classes), path)

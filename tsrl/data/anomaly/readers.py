"""The published formats of labelled anomalies: NAB, SMAP and MSL, UCR, KPI, Yahoo S5; and the user's own file."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np

from tsrl.data.anomaly.files import Files, checked, chosen_names, ending, matching, only, parsed, zip_file
from tsrl.data.anomaly.series import AnomalySeries, ranges
from tsrl.data.npz import npz_source
from tsrl.errors import InputError

_OWN_KEYS = ("values", "labels", "timestamps", "train_stop")
NAB_WINDOWS = "labels/combined_windows.json"
_SPACECRAFT_LABELS = "labeled_anomalies.csv"
# 135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt: steps to train on, then the range.
_UCR_FILE = re.compile(r"(?:.*/)?(\d+_UCR_Anomaly_[^/]+?)_(\d+)_(\d+)_(\d+)\.txt")
_KPI_FILE = "phase2_train.csv"
# A folder for each of the four parts; A3 and A4 have A3Benchmark_all.csv too, all series of the part side by side.
_YAHOO_FILE = re.compile(r"(?:.*/)?(A[1-4])Benchmark/(real_\d+|synthetic_\d+|A[34]Benchmark-TS\d+)\.csv")
# A file that only this archive has.
MARKS = {
    "NAB": re.compile(rf"(?:.*/)?{re.escape(NAB_WINDOWS)}"),
    **{craft: re.compile(rf"{craft}__.+__label\.npy|(?:.*/)?{_SPACECRAFT_LABELS}") for craft in ("SMAP", "MSL")},
    "UCRAnomaly": _UCR_FILE,
    "KPI": re.compile(rf"(?:.*/)?{re.escape(_KPI_FILE)}"),
    "Yahoo": _YAHOO_FILE,
}
# A file of each series, for archives whose files' names tell; NAB's as seen from the folder with its labels.
SERIES = {
    "NAB": re.compile(r"data/([^/]+/[^/]+)\.csv"),
    **{craft: re.compile(rf"{craft}__(.+)__label\.npy") for craft in ("SMAP", "MSL")},
    "UCRAnomaly": _UCR_FILE,
    "Yahoo": _YAHOO_FILE,
}


def read_nab(trees: list[Files], part: str, train_fraction: float) -> tuple[str, list[AnomalySeries]]:
    """The Numenta Anomaly Benchmark: data/CATEGORY/NAME.csv and labels/combined_windows.json.

    Time stamps are taken as UTC. A row belongs to a window when its stamp lies between the window's two, ends included.
    """
    files, name = only(trees, "NAB", lambda name: name == NAB_WINDOWS or name.endswith("/" + NAB_WINDOWS))
    with parsed(f"{files.source}: {name}"):
        spans = {key: np.array(list(pairs), "datetime64[us]") for key, pairs in json.loads(files.text(name)).items()}
    root = name.removesuffix(NAB_WINDOWS)
    series = []
    for called in chosen_names([key.removesuffix(".csv") for key in spans], part, "NAB"):
        key = f"{called}.csv"
        where = f"{files.source}: {root}data/{key}"
        rows = list(csv.reader(files.text(f"{root}data/{key}").splitlines()))
        with parsed(where):
            if rows[0] != ["timestamp", "value"]:
                raise InputError(f"{where}: found the columns {rows[0]}, want timestamp,value")
            stamps = np.array([stamp for stamp, _ in rows[1:]], "datetime64[us]")
            values = np.array([value or "nan" for _, value in rows[1:]]).astype(np.float64)
            if np.isnat(stamps).any():
                raise InputError(f"{where}: found a row without a timestamp")
        windows = []
        for begin, end in spans[key].reshape(-1, 2):
            inside = np.flatnonzero((stamps >= begin) & (stamps <= end))
            if not len(inside):
                raise InputError(f"{files.source}: {name}: {key}: found no row from {begin} to {end}")
            windows.append((int(inside[0]), int(inside[-1])))
        seconds = stamps.astype("datetime64[s]").astype(np.int64)
        stop = int(len(values) * train_fraction)
        series.append(checked(files.source, called, values[:, None], seconds, tuple(sorted(windows)), stop))
    return files.source, series


def read_spacecraft(trees: list[Files], part: str, craft: str) -> tuple[str, list[AnomalySeries]]:
    """NASA's SMAP or MSL: the training array of each channel, then its test array, whose ranges are labelled.

    The published files are train/CHANNEL.npy, test/CHANNEL.npy and labeled_anomalies.csv, whose ranges include both
    ends; an .npz file with CRAFT__CHANNEL__train, __test and __label is read too. Steps have no time. The two arrays
    are put end to end, which the recordings need not be: the first windows of the test part reach back into the
    training part.
    """
    packed = re.compile(rf"{craft}__(.+)__label\.npy")
    first = next((name for tree in trees for name in tree.names if packed.fullmatch(name)), None)
    if first is not None:
        files, _ = only(trees, craft, first.__eq__)
        channels = [match[1] for name in files.names if (match := packed.fullmatch(name))]
        form = f"{craft}__{{channel}}__{{kind}}.npy"
        spans = {}
    else:
        files, name = only(trees, craft, lambda name: name.rpartition("/")[2] == _SPACECRAFT_LABELS)
        spans = _spacecraft_ranges(files, name, craft)
        channels = list(spans)
        form = "{kind}/{channel}.npy"
    series = []
    for channel in chosen_names(channels, part, craft):
        train, test = (
            files.array(ending(files, form.format(channel=channel, kind=kind))) for kind in ("train", "test")
        )
        if spans:
            label = np.zeros(len(test), bool)
            for begin, end in spans[channel]:
                if not 0 <= begin <= end < len(test):
                    raise InputError(
                        f"{files.source}: {channel}: found the range {begin} to {end} of {len(test)} steps"
                    )
                label[begin : end + 1] = True
        else:
            label = files.array(form.format(channel=channel, kind="label"))
        if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1] or label.shape != test.shape[:1]:
            shapes = f"train {train.shape}, test {test.shape}, label {label.shape}"
            raise InputError(f"{files.source}: {channel}: found {shapes}, want [T, C], [T', C], [T']")
        windows = tuple((begin + len(train), end + len(train)) for begin, end in ranges(label))
        values = np.concatenate([train, test])
        series.append(checked(files.source, channel, values, np.arange(len(values)), windows, len(train)))
    return files.source, series


def _spacecraft_ranges(files: Files, name: str, craft: str) -> dict[str, list[list[int]]]:
    """Channel -> its labelled (first, last) steps of the test array; P-2 stands in two rows of the published table."""
    spans: dict[str, list[list[int]]] = {}
    with parsed(f"{files.source}: {name}"):
        for row in csv.DictReader(files.text(name).splitlines()):
            if row["spacecraft"] == craft:
                spans.setdefault(row["chan_id"], []).extend(json.loads(row["anomaly_sequences"]))
    return spans


def read_ucr(trees: list[Files], part: str) -> tuple[str, list[AnomalySeries]]:
    """The UCR anomaly archive: text files named NUMBER_UCR_Anomaly_NAME_TRAIN_FIRST_LAST.txt, numbers between blanks.

    The range is counted from 0 and both ends are included: values of the archive's series with inserted beats change
    at step FIRST and change back at step LAST or the next.
    """
    what = "UCRAnomaly, NUMBER_UCR_Anomaly_NAME_TRAIN_FIRST_LAST.txt,"
    source, found = matching(trees, _UCR_FILE, lambda match: match[1], what)
    series = []
    for name in chosen_names(found, part, "UCRAnomaly"):
        files, match = found[name]
        stop, first, last = (int(number) for number in match.groups()[1:])
        with parsed(f"{files.source}: {match[0]}"):
            values = np.array(files.read(match[0]).split()).astype(np.float64)
        series.append(checked(files.source, name, values[:, None], np.arange(len(values)), ((first, last),), stop))
    return source, series


def read_kpi(trees: list[Files], part: str, train_fraction: float) -> tuple[str, list[AnomalySeries]]:
    """The KPIs of the AIOps challenge: phase2_train.csv, the rows of all series below one another.

    Rows are put in order of time. TS2Vec also uses phase2_ground_truth.hdf, whose series are further ones of the same
    KPIs; that format is not read.
    """
    files, name = only(trees, f"KPI's file {_KPI_FILE}", lambda name: name.rpartition("/")[2] == _KPI_FILE)
    table = _labelled_table(files, name, ("timestamp", "value", "label", "KPI ID"))
    series = []
    for called in chosen_names(np.unique(table["KPI ID"]).tolist(), part, "KPI"):
        rows = np.flatnonzero(table["KPI ID"] == called)
        rows = rows[np.argsort(table["timestamp"][rows], kind="stable")]
        stamps, values, labels = (table[column][rows] for column in ("timestamp", "value", "label"))
        stop = int(len(rows) * train_fraction)
        series.append(checked(files.source, called, values[:, None], stamps, ranges(labels), stop))
    return files.source, series


def read_yahoo(trees: list[Files], part: str, train_fraction: float) -> tuple[str, list[AnomalySeries]]:
    """Yahoo's S5: A1Benchmark/real_N.csv, A2Benchmark/synthetic_N.csv, and A3Benchmark-TSN.csv and A4's in theirs.

    A1 and A2 have the columns timestamp, value, is_anomaly; A3 and A4 have timestamps, value, anomaly, and what the
    series was made of, which is not read: their change points are no anomalies here.
    """
    what = "Yahoo, A1Benchmark/real_1.csv and so on,"
    source, found = matching(trees, _YAHOO_FILE, lambda match: f"{match[1]}/{match[2]}", what)
    series = []
    for called in chosen_names(found, part, "Yahoo"):
        files, match = found[called]
        made = called.startswith(("A3", "A4"))
        columns = ("timestamps", "value", "anomaly") if made else ("timestamp", "value", "is_anomaly")
        stamps, values, labels = _labelled_table(files, match[0], columns).values()
        stop = int(len(values) * train_fraction)
        series.append(checked(files.source, called, values[:, None], stamps, ranges(labels), stop))
    return source, series


def _labelled_table(files: Files, name: str, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns of a csv file: whole seconds or steps, a value (empty = NaN), a label of 0 or 1, and perhaps an id."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    where = f"{files.source}: {name}"
    types = dict(zip(columns, (pa.int64(), pa.float64(), pa.int8(), pa.string()), strict=False))
    options = arrow.ConvertOptions(column_types=types, strings_can_be_null=True)
    with parsed(where):
        table = arrow.read_csv(io.BytesIO(files.read(name)), convert_options=options)
    if missing := [column for column in columns if column not in table.column_names]:
        raise InputError(f"{where}: found the columns {table.column_names[:10]}, want also {', '.join(missing)}")
    for column in columns:
        if column != "value" and (empty := table[column].null_count):
            raise InputError(f"{where}: {column}: found {empty} empty cells, want one in every row")
    found = {column: table[column].to_numpy() for column in columns}
    label = columns[2]
    if wrong := set(np.unique(found[label]).tolist()) - {0, 1}:
        raise InputError(f"{where}: {label}: found {sorted(wrong)[:5]}, want 0 or 1")
    return found


def read_own(path: Path, train_fraction: float) -> tuple[str, list[AnomalySeries]]:
    """One series of the user's: an .npz file with `values`, `labels` and perhaps `timestamps` and `train_stop`.

    Raises:
      InputError: a damaged file, a missing key, or arrays that do not fit.
    """
    source = npz_source(path)
    files = zip_file(path)
    stored = {key: files.array(f"{key}.npy") for key in _OWN_KEYS if f"{key}.npy" in files.names}
    if missing := {"values", "labels"} - stored.keys():
        raise InputError(f"{source}: found no {' and no '.join(sorted(missing))}, want values and labels")
    values, labels = stored["values"], stored["labels"]
    values = values[:, None] if values.ndim == 1 else values
    if labels.shape != values.shape[:1] or labels.dtype.kind not in "biu" or labels.min(initial=0) < 0:
        raise InputError(
            f"{source}: labels: found {labels.dtype} in shape {labels.shape}, want ({len(values)},) integers from 0 up"
        )
    stop = stored.get("train_stop", np.array(int(len(values) * train_fraction)))
    if stop.shape != () or stop.dtype.kind not in "iu":
        raise InputError(f"{source}: train_stop: found {stop.dtype} in shape {stop.shape}, want one integer")
    timestamps = stored.get("timestamps", np.arange(len(values)))
    return source, [checked(source, path.stem, values, timestamps, ranges(labels), int(stop))]

"""A builder of TensorFlow Datasets for every published set: `import` this, then `tfds.builder("tsrl_etth1")`.

TensorFlow itself is neither needed nor imported: what its data sets usually do with it (unpacking, tfrecord files) is
done in other ways.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from tsrl.data.builders.obtain import obtain
from tsrl.data.builders.spec import ForecastFacts, Rows, Series, Spec, check_facts
from tsrl.data.builders.specs import SPECS
from tsrl.data.fetch import Progress

SERIES_SPLIT = "series"


class PublishedBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Reads the published files of one set; a forecasting set is one example, a labelled series is one each.

    Attributes:
      SPEC: the set.
      progress: of downloads, see `fetch`.
    """

    SPEC: ClassVar[Spec]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Files that cannot be downloaded may be put here, in sub-folders too."
    progress: Progress | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not self.data_path.exists():
            # The default, tfrecord, is written by TensorFlow alone.
            file_format = "array_record" if find_spec("array_record") else "parquet"
            self.info.set_file_format(file_format, override=True)

    def _info(self) -> tfds.core.DatasetInfo:
        facts = self.SPEC.facts
        if isinstance(facts, ForecastFacts):
            shape = (facts.steps, len(facts.columns))
            values = _tensor(shape, np.float32, _named(facts.columns, facts.units))
            time = _tensor(shape[:1], np.int64, "seconds since 1970, no time zone")
            features = {"values": values, "time": time}
        else:
            shape = (facts.length, len(facts.channels))
            features = {
                "id": tfds.features.Scalar(np.int64, doc="row of the published split"),
                "x": _tensor(shape, np.float32, _named(facts.channels, facts.units)),
                "y": tfds.features.ClassLabel(names=facts.classes),
            }
            if facts.group:
                features["group"] = tfds.features.Text(doc=facts.group)
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.SPEC.description,
            features=tfds.features.FeaturesDict(features),
            homepage=self.SPEC.homepage,
            citation=self.SPEC.citation,
            license=self.SPEC.licence,
            metadata=tfds.core.MetadataDict(),
        )

    # A library does not print.
    def _log_download_bytes(self) -> None:
        pass

    def _log_download_done(self) -> None:
        pass

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        downloads = Path(dl_manager.download_dir)
        # Another folder than downloads/manual is given as tfds.download.DownloadConfig(manual_dir=...).
        folders = dict.fromkeys([Path(dl_manager._manual_dir), downloads / "manual"])
        source, files = obtain(self.SPEC, downloads, list(folders), self.progress)
        contents = source.read([file.path for file in files])
        check_facts(self.SPEC, contents, ", ".join(file.name for file in files))
        self.info.metadata["files"] = {file.name: {"sha256": file.sha256, "state": file.state} for file in files}
        if isinstance(contents, Series):
            return {SERIES_SPLIT: self._one_example(contents)}
        return {split: self._generate_examples(rows) for split, rows in contents.items()}

    def _one_example(self, series: Series) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        yield 0, {"values": series.values, "time": series.time.astype(np.int64)}

    def _generate_examples(self, rows: Rows) -> Iterator[tuple[int, dict[str, Any]]]:
        for row, (x, y) in enumerate(zip(rows.x, rows.y, strict=True)):
            example = {"id": row, "x": x, "y": int(y)}
            if rows.group is not None:
                example["group"] = str(rows.group[row])
            yield row, example


def _tensor(shape: tuple[int, ...], dtype: type, doc: str) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=tfds.features.Encoding.BYTES, doc=doc)


def _named(names: tuple[str, ...], units: tuple[str, ...]) -> str:
    """Names with their units, where those are known and not in the name."""
    pairs = zip(names, units, strict=True)
    return ", ".join(name if not unit or f"({unit})" in name else f"{name} ({unit})" for name, unit in pairs)


BUILDERS: dict[str, type[PublishedBuilder]] = {
    name: type(
        f"Tsrl{name}",
        (PublishedBuilder,),
        {
            "SPEC": spec,
            "VERSION": tfds.core.Version(spec.version),
            "name": spec.builder,
            "__module__": __name__,
            "__doc__": spec.description,
        },
    )
    for name, spec in SPECS.items()
}

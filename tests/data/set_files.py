"""Series written as the archives write them, without any of the package's code."""

import numpy as np


def ts_text(x, labels, name="Toy", classes=None, equal=True):
    """A .ts file's text of series `[N, T, C]`; where not `equal`, NaN at the end of a series is its padding."""
    missing = bool(np.isnan(x).any())
    classes = sorted(set(labels)) if classes is None else classes
    lines = [
        "# a comment",
        f"@problemName {name}",
        "@timeStamps false",
        f"@missing {str(missing).lower()}",
        f"@univariate {str(x.shape[2] == 1).lower()}",
        f"@equalLength {str(equal).lower()}",
        "@classLabel true " + " ".join(classes),
        "@data",
    ]
    for series, label in zip(x, labels, strict=True):
        steps = len(series) if equal else int(np.flatnonzero(~np.isnan(series).all(1)).max()) + 1
        channels = (",".join("NaN" if np.isnan(v) else repr(float(v)) for v in channel) for channel in series[:steps].T)
        lines.append(":".join([*channels, label]))
    return "\n".join(lines) + "\n"


def table_text(x, labels, separator="\t"):
    """The 2018 layout: a row of label and values for each series `[T]`."""
    rows = (
        separator.join([str(label), *("NaN" if np.isnan(v) else repr(float(v)) for v in series[:, 0])])
        for series, label in zip(x, labels, strict=True)
    )
    return "\n".join(rows) + "\n"


def arff_text(x, labels):
    """A univariate .arff file's text."""
    attributes = [f"@attribute att{step} numeric" for step in range(x.shape[1])]
    rows = (
        ",".join([*("?" if np.isnan(v) else repr(float(v)) for v in series[:, 0]), label])
        for series, label in zip(x, labels, strict=True)
    )
    head = ["%comment", "@relation Toy", "", *attributes, f"@attribute target {{{','.join(sorted(set(labels)))}}}"]
    return "\n".join([*head, "", "@data", *rows]) + "\n"


def relational_arff_text(x, labels):
    """A multivariate .arff file's text: one relational attribute whose channels stand between `\\n`."""
    inner = [f"  @attribute att{step} numeric" for step in range(x.shape[1])]
    rows = []
    for series, label in zip(x, labels, strict=True):
        channels = "\\n".join(",".join("?" if np.isnan(v) else repr(float(v)) for v in c) for c in series.T)
        rows.append(f"'{channels}',{label}")
    head = ["@relation Toy", "@attribute data relational", *inner, "@end data"]
    classes = ",".join(sorted(set(labels)))
    return "\n".join([*head, f"@attribute target {{{classes}}}", "@data", *rows]) + "\n"


def tsf_text(series, equal=False):
    """A .tsf file's text of name -> values."""
    head = [
        "# a comment",
        "@relation toy",
        "@attribute series_name string",
        "@attribute start_timestamp date",
        "@frequency daily",
        "@horizon 2",
        "@missing true",
        f"@equallength {str(equal).lower()}",
        "@data",
    ]
    rows = (
        f"{name}:2020-01-01 00-00-00:" + ",".join("?" if np.isnan(v) else repr(float(v)) for v in values)
        for name, values in series.items()
    )
    return "\n".join([*head, *rows]) + "\n"

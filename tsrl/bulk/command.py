"""`tsrl embed`: the command around a bulk job."""

from collections.abc import Sequence

import tyro

from tsrl.bulk.job import Embed
from tsrl.bulk.run import embed_files
from tsrl.process import leave
from tsrl.terminal import output

_DESCRIPTION = """Embeds series in files of any size with a trained model, in bounded memory; the same command resumes.

OUT gets part-00000.parquet, ..., one for each row group of the input (16 MB of an array, 1,024 records), with the
columns id, part, row (its place there), embedding; errors-NNNNN.parquet where rows could not be embedded: id, part,
row, reason; manifest.json; and done.json at the end. The bytes follow from input, model and settings, so a job that was
stopped or killed and resumed, or run by Ray, leaves the same folder. Another job's folder is refused.

Exit codes: 0 done; 3 done, but some rows are among the errors; 2 wrong input; 130 stopped by Ctrl-C, 143 by SIGTERM."""


def main(args: Sequence[str]) -> None:
    """`tsrl embed IN OUT --model DIR`; `--help` lists its flags. Exit code 3: some rows could not be embedded.

    Raises:
      InputError: wrong input.
    """
    config = tyro.cli(Embed, args=list(args), prog="tsrl embed", description=_DESCRIPTION)
    with output(config.json) as write:
        found = embed_files(config)
        write({"out": str(config.out), **found._asdict()})
    if not config.json:
        kept = f", {found.kept} of {found.parts} parts were there" if found.kept else ""
        print(f"{config.out}: {found.rows - found.errors:,} of {found.rows:,} rows embedded{kept}")
    if found.errors:
        leave(f"{found.errors:,} rows could not be embedded: {config.out}/errors-*.parquet says why", 3)

"""The classification sets: FingerMovements, PenDigits, HAR, EpilepsyEEG and WISDM."""

from functools import partial

from tsrl.data.builders.epilepsy import read_epilepsy
from tsrl.data.builders.har import read_har
from tsrl.data.builders.spec import ClassifyFacts, File, Source, Spec
from tsrl.data.builders.uea import read_uea
from tsrl.data.builders.wisdm import read_wisdm

_UEA = """@article{bagnall2018uea,
  title = {The UEA multivariate time series classification archive, 2018},
  author = {Bagnall, Anthony and Dau, Hoang Anh and Lines, Jason and Flynn, Michael and Large, James and
            Bostrom, Aaron and Southam, Paul and Keogh, Eamonn},
  journal = {arXiv:1811.00075}, year = {2018}}"""


def _uea(name: str, record: int, description: str, citation: str, licence: str, facts: ClassifyFacts) -> Spec:
    archive = "https://www.timeseriesclassification.com"
    read = partial(read_uea, name=name, classes=facts.classes)
    urls = (
        f"{archive}/aeon-toolkit/{name}.zip",
        f"https://timeseriesclassification.com/aeon-toolkit/{name}.zip",
        f"{archive}/Downloads/{name}.zip",
    )
    deposit = File(f"{name}_zenodo.zip", (f"https://zenodo.org/api/records/{record}/files-archive",))
    return Spec(
        name=name,
        version="1.0.0",
        description=description,
        citation=f"{citation}\n{_UEA}",
        licence=licence,
        homepage=f"{archive}/description.php?Dataset={name}",
        sources=(Source((File(f"{name}.zip", urls),), read), Source((deposit,), read)),
        facts=facts,
    )


_FINGER_MOVEMENTS = _uea(
    "FingerMovements",
    11206220,
    "EEG of one person before a key is pressed with a finger of the left or the right hand: 28 electrodes, half a "
    "second at 100 Hz. The archive's split.",
    """@inproceedings{blankertz2002classifying,
  title = {Classifying single trial EEG: Towards brain computer interfacing},
  author = {Blankertz, Benjamin and Curio, Gabriel and M\\"uller, Klaus-Robert},
  booktitle = {NIPS}, year = {2002}}""",
    "not stated",
    ClassifyFacts(
        rows={"train": 316, "test": 100},
        length=50,
        channels=tuple(f"electrode {number}" for number in range(28)),
        units=("",) * 28,
        classes=("left", "right"),
        group="",
    ),
)

_PEN_DIGITS = _uea(
    "PenDigits",
    11206259,
    "Handwritten digits: the pen's place at 8 points spaced evenly along its way, 0 to 100. The archive's split is by "
    "writer, 30 for training and 14 others for testing; who wrote a row is not in the files.",
    """@inproceedings{alimoglu1997combining,
  title = {Combining multiple representations and classifiers for pen-based handwritten digit recognition},
  author = {Alimoglu, Fevzi and Alpaydin, Ethem},
  booktitle = {ICDAR}, year = {1997}}""",
    "not stated by the archive",
    ClassifyFacts(
        rows={"train": 7_494, "test": 3_498},
        length=8,
        channels=("x", "y"),
        units=("", ""),
        classes=tuple("0123456789"),
        group="",
    ),
)

_HAR_FACTS = ClassifyFacts(
    rows={"train": 7_352, "test": 2_947},
    length=128,
    channels=tuple(f"{sensor}_{axis}" for sensor in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"),
    units=(*("g",) * 3, *("rad/s",) * 3, *("g",) * 3),
    classes=("WALKING", "WALKING_UPSTAIRS", "WALKING_DOWNSTAIRS", "SITTING", "STANDING", "LAYING"),
    group="subject",
)
_HAR = Spec(
    name="HAR",
    version="1.0.0",
    description=(
        "Six activities of 30 people with a phone at the waist: windows of 2.56 s at 50 Hz, half overlapping. The "
        "published split is by subject, 21 for training and 9 for testing. The validation split of TS-TCC is a random "
        "fifth of the training rows, which shares subjects and overlapping windows with the rest: it is not drawn here."
    ),
    citation="""@inproceedings{anguita2013public,
  title = {A Public Domain Dataset for Human Activity Recognition Using Smartphones},
  author = {Anguita, Davide and Ghio, Alessandro and Oneto, Luca and Parra, Xavier and Reyes-Ortiz, Jorge L.},
  booktitle = {ESANN}, year = {2013}}""",
    licence="CC BY 4.0 by the repository; the README inside forbids commercial use",
    homepage="https://archive.ics.uci.edu/dataset/240/human+activity+recognition+using+smartphones",
    sources=(
        Source(
            (
                File(
                    "UCI_HAR_Dataset.zip",
                    (
                        "https://archive.ics.uci.edu/ml/machine-learning-databases/00240/UCI%20HAR%20Dataset.zip",
                        "https://archive.ics.uci.edu/static/public/240/"
                        "human+activity+recognition+using+smartphones.zip",
                        "https://d396qusza40orc.cloudfront.net/getdata%2Fprojectfiles%2FUCI%20HAR%20Dataset.zip",
                    ),
                    also=("UCI HAR Dataset.zip", "human+activity+recognition+using+smartphones.zip"),
                ),
            ),
            partial(read_har, channels=_HAR_FACTS.channels, classes=_HAR_FACTS.classes),
        ),
    ),
    facts=_HAR_FACTS,
)

_EPILEPSY = Spec(
    name="EpilepsyEEG",
    version="1.0.0",
    description=(
        "Seconds of EEG, 178 samples each: are they of a seizure (class 1 of 5 in the file). The Epilepsy of "
        "TS-TCC, MHCCL and TimeDRL; the UEA archive's Epilepsy is another set. Split: a fifth of the rows for testing, "
        "a fifth of the rest for validation, drawn at random by scikit-learn with seed 42 on the file's order, as "
        "MHCCL's released preprocessing does; whether TimeDRL's files hold the same draw could not be compared. "
        "Seconds of one recording fall into several splits; the group of a row is its recording, for a split that "
        "keeps recordings together. Values are the file's; TS-TCC scales each step to 0..1 over all rows."
    ),
    citation="""@article{andrzejak2001indications,
  title = {Indications of nonlinear deterministic and finite-dimensional structures in time series of brain electrical
           activity: Dependence on recording region and brain state},
  author = {Andrzejak, Ralph G. and Lehnertz, Klaus and Mormann, Florian and Rieke, Christoph and David, Peter and
            Elger, Christian E.},
  journal = {Physical Review E}, volume = {64}, number = {6}, pages = {061907}, year = {2001}}""",
    licence="not stated; the repository has withdrawn the file",
    homepage="https://archive.ics.uci.edu/ml/datasets/Epileptic+Seizure+Recognition",
    sources=(
        Source(
            (
                File(
                    "epileptic_seizure_recognition.csv",
                    (
                        "https://archive.ics.uci.edu/ml/machine-learning-databases/00388/data.csv",
                        "https://web.archive.org/web/20200318000445/"
                        "http://archive.ics.uci.edu/ml/machine-learning-databases/00388/data.csv",
                    ),
                    also=("Epileptic Seizure Recognition.csv",),
                ),
            ),
            read_epilepsy,
        ),
        Source(
            (
                File(
                    "epileptic_seizure_recognition.zip",
                    ("https://archive.ics.uci.edu/static/public/388/epileptic+seizure+recognition.zip",),
                    also=("epileptic+seizure+recognition.zip",),
                ),
            ),
            read_epilepsy,
        ),
    ),
    facts=ClassifyFacts(
        rows={"train": 7_360, "validation": 1_840, "test": 2_300},
        length=178,
        channels=("EEG",),
        units=("",),
        classes=("no seizure", "seizure"),
        group="recording",
    ),
)

_WISDM_CLASSES = ("Walking", "Jogging", "Sitting", "Standing", "Upstairs", "Downstairs")
_WISDM = Spec(
    name="WISDM",
    version="1.0.0",
    description=(
        "Six activities of 36 people with a phone in the pocket, 20 Hz: windows of 256 samples, one after the other, "
        "of WISDM's activity recognition file v1.1. Split: a fifth of the windows for testing, a fifth of the rest for "
        "validation, drawn at random by scikit-learn with seed 42, as MHCCL's released preprocessing does. It has "
        "windows of one person in several splits; the group of a row is its person, for a split that keeps people "
        "together."
    ),
    citation="""@article{kwapisz2011activity,
  title = {Activity recognition using cell phone accelerometers},
  author = {Kwapisz, Jennifer R. and Weiss, Gary M. and Moore, Samuel A.},
  journal = {ACM SIGKDD Explorations Newsletter}, volume = {12}, number = {2}, pages = {74--82}, year = {2011}}""",
    licence="not stated; its authors ask to be cited and to keep its readme with copies",
    homepage="https://www.cis.fordham.edu/wisdm/dataset.php",
    sources=(
        Source(
            (
                File(
                    "WISDM_ar_latest.tar.gz",
                    (
                        "https://www.cis.fordham.edu/wisdm/includes/datasets/latest/WISDM_ar_latest.tar.gz",
                        "http://www.cis.fordham.edu/wisdm/includes/datasets/latest/WISDM_ar_latest.tar.gz",
                    ),
                    also=("WISDM_ar_v1.1_raw.txt",),
                ),
            ),
            partial(read_wisdm, classes=_WISDM_CLASSES),
        ),
    ),
    facts=ClassifyFacts(
        rows={"train": 2_617, "validation": 655, "test": 819},
        length=256,
        channels=("x", "y", "z"),
        units=("m/s²",) * 3,
        classes=_WISDM_CLASSES,
        group="user",
    ),
)

CLASSIFICATION = (_FINGER_MOVEMENTS, _PEN_DIGITS, _HAR, _EPILEPSY, _WISDM)

"""The forecasting sets: ETT, Exchange, Weather and WTH."""

from functools import partial

from tsrl.data.builders.csv_tables import read_dated_csv, read_jena_halves, read_lstnet_exchange
from tsrl.data.builders.spec import File, ForecastFacts, Source, Spec

_INFORMER = """@inproceedings{zhou2021informer,
  title = {Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting},
  author = {Zhou, Haoyi and Zhang, Shanghang and Peng, Jieqi and Zhang, Shuai and Li, Jianxin and Xiong, Hui and
            Zhang, Wancai},
  booktitle = {AAAI}, year = {2021}}"""
_AUTOFORMER = """@inproceedings{wu2021autoformer,
  title = {Autoformer: Decomposition Transformers with Auto-Correlation for Long-Term Series Forecasting},
  author = {Wu, Haixu and Xu, Jiehui and Wang, Jianmin and Long, Mingsheng},
  booktitle = {NeurIPS}, year = {2021}}"""
_LSTNET = """@inproceedings{lai2018modeling,
  title = {Modeling Long- and Short-Term Temporal Patterns with Deep Neural Networks},
  author = {Lai, Guokun and Chang, Wei-Cheng and Yang, Yiming and Liu, Hanxiao},
  booktitle = {SIGIR}, year = {2018}}"""

_COLLECTION = "https://huggingface.co/datasets/thuml/Time-Series-Library/resolve/main"
_ETT = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
_EXCHANGE = ("0", "1", "2", "3", "4", "5", "6", "OT")
_WEATHER = (
    *("p (mbar)", "T (degC)", "Tpot (K)", "Tdew (degC)", "rh (%)", "VPmax (mbar)", "VPact (mbar)", "VPdef (mbar)"),
    *("sh (g/kg)", "H2OC (mmol/mol)", "rho (g/m**3)", "wv (m/s)", "max. wv (m/s)", "wd (deg)", "rain (mm)"),
    *("raining (s)", "SWDR (W/m²)", "PAR (µmol/m²/s)", "max. PAR (µmol/m²/s)", "Tlog (degC)", "OT"),
)
_WTH = (
    *("Visibility", "DryBulbFarenheit", "DryBulbCelsius", "WetBulbFarenheit", "DewPointFarenheit", "DewPointCelsius"),
    *("RelativeHumidity", "WindSpeed", "WindDirection", "StationPressure", "Altimeter", "WetBulbCelsius"),
)


def _ett(name: str, sha256: str) -> Spec:
    hourly = name.startswith("ETTh")
    step, steps, last = ("1 h", 17_420, "19:00:00") if hourly else ("15 min", 69_680, "19:45:00")
    urls = (
        f"https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/{name}.csv",
        f"{_COLLECTION}/ETT-small/{name}.csv",
    )
    return Spec(
        name=name,
        version="1.0.0",
        description=(
            f"Load and oil temperature of electricity transformer {name[-1]}, a value every {step}, July 2016 to June "
            "2018. The published split takes the first 12, 4 and 4 months of 30 days; the rest is not used. HUFL to "
            "LULL are high, middle and low useful and useless load, whose unit is not published."
        ),
        citation=_INFORMER,
        licence="CC BY-ND 4.0",
        homepage="https://github.com/zhouhaoyi/ETDataset",
        sources=(Source((File(f"{name}.csv", urls, sha256),), partial(read_dated_csv, columns=_ETT)),),
        facts=ForecastFacts(steps, _ETT, ("",) * 6 + ("degC",), "2016-07-01T00:00:00", f"2018-06-26T{last}"),
    )


_EXCHANGE_SPEC = Spec(
    name="Exchange",
    version="1.0.0",
    description=(
        "Daily rates of eight currencies, 7,588 values each, as published by LSTNet. Autoformer's file, on which the "
        "published numbers were measured, has a value for every calendar day from 1990-01-01; LSTNet's has no dates. "
        "Which column is which currency is not published. Split: the first 70 % or 60 %, then 10 % or 20 %, then 20 %."
    ),
    citation=_LSTNET,
    licence="not stated by LSTNet's authors",
    homepage="https://github.com/laiguokun/multivariate-time-series-data",
    sources=(
        Source(
            (
                File(
                    "exchange_rate.csv",
                    (f"{_COLLECTION}/exchange_rate/exchange_rate.csv",),
                    "48b4d9d3d508f5104162e85b9a6042e3557fde11aa9f2944eba8c0d0efc89842",
                ),
            ),
            partial(read_dated_csv, columns=_EXCHANGE),
        ),
        Source(
            (
                File(
                    "exchange_rate.txt.gz",
                    (
                        "https://raw.githubusercontent.com/laiguokun/multivariate-time-series-data/master/"
                        "exchange_rate/exchange_rate.txt.gz",
                        "https://github.com/laiguokun/multivariate-time-series-data/raw/master/"
                        "exchange_rate/exchange_rate.txt.gz",
                    ),
                ),
            ),
            partial(read_lstnet_exchange, columns=_EXCHANGE),
        ),
    ),
    facts=ForecastFacts(7_588, _EXCHANGE, ("",) * 8, "1990-01-01T00:00:00", "2010-10-10T00:00:00"),
)

_WEATHER_SPEC = Spec(
    name="Weather",
    version="1.0.0",
    description=(
        "21 measurements every 10 minutes of 2020 on the roof of the Max Planck Institute for Biogeochemistry, Jena. "
        "Autoformer's Weather; WTH is another set. As published: 81 cells are -9999, one time stamp comes twice, "
        "1 h 40 is missing; OT is the station's CO2 (ppm). Split: the first 70 % or 60 %, then 10 % or 20 %, then 20 %."
    ),
    citation=_AUTOFORMER,
    licence="CC BY 4.0",
    homepage="https://www.bgc-jena.mpg.de/wetter/weather_data.html",
    sources=(
        Source(
            (
                File(
                    "weather.csv",
                    (f"{_COLLECTION}/weather/weather.csv",),
                    "34ee981d07313e51da2a50bb600072c8ae4a69cb4b0651f4cb93a069d7a2ba63",
                ),
            ),
            partial(read_dated_csv, columns=_WEATHER),
        ),
        Source(
            tuple(
                File(f"mpi_roof_2020{half}.zip", (f"https://www.bgc-jena.mpg.de/wetter/mpi_roof_2020{half}.zip",))
                for half in "ab"
            ),
            partial(read_jena_halves, columns=_WEATHER),
        ),
    ),
    facts=ForecastFacts(
        52_696,
        _WEATHER,
        (*(name[name.index("(") + 1 : -1] for name in _WEATHER[:-1]), "ppm"),
        "2020-01-01T00:10:00",
        "2021-01-01T00:00:00",
    ),
)

_WTH_SPEC = Spec(
    name="WTH",
    version="1.0.0",
    description=(
        "12 hourly measurements of one place in the USA, 2010 to 2013: Informer's weather set, used by TS2Vec and CoST "
        "too; Weather is another set. The target is WetBulbCelsius. Split: the first 60 %, then 20 %, then 20 % "
        "(Informer: 28, 10 and 10 months)."
    ),
    citation=_INFORMER,
    licence="not stated with the file; observations of the NOAA National Centers for Environmental Information",
    homepage="https://github.com/zhouhaoyi/Informer2020",
    sources=(
        Source((File("WTH.csv", ("https://bj.bcebos.com/paddlets/WTH.csv",)),), partial(read_dated_csv, columns=_WTH)),
    ),
    facts=ForecastFacts(
        35_064,
        _WTH,
        ("mi", "degF", "degC", "degF", "degF", "degC", "%", "mph", "deg", "inHg", "inHg", "degC"),
        "2010-01-01T00:00:00",
        "2013-12-31T23:00:00",
    ),
)

FORECASTING = (
    _ett("ETTh1", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
    _ett("ETTh2", "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"),
    _ett("ETTm1", "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"),
    _ett("ETTm2", "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd"),
    _EXCHANGE_SPEC,
    _WEATHER_SPEC,
    _WTH_SPEC,
)

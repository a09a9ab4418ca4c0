"""Two CPU devices, a shared compilation cache, and no data but what the project's own setting names."""

import os
from pathlib import Path

# Most of a test's time is compiling programs that run once: the compiler's optimisations are left out. The tests that
# start the main job as a process of its own compile as users do.
flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Two workers share two cores: small fits of scikit-learn are several times slower when their threads compete.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402


@pytest.fixture(autouse=True, scope="session")
def _compilation_cache(pytestconfig):
    folder = pytestconfig.rootpath / ".pytest_cache" / "jax"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


# Linux lets a process have 65,530; each compiled program takes several.
MAPS = Path("/proc/self/maps")
MOST_MAPS = 40_000


@pytest.fixture(autouse=True)
def _few_programs():
    """Forgets compiled programs before they use up what a process may map: a worker would crash."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def waves(tmp_path_factory):
    """A small labelled data set as a file: slow and fast waves, one series with missing steps."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 14), ("test", 11)):
        y = np.arange(count) % 2
        phase = random.random((count, 1)) * 6
        x = np.sin(phase + np.arange(20) * np.where(y, 1.5, 0.3)[:, None]) + 0.1 * random.normal(size=(count, 20))
        arrays |= {f"x_{split}": np.stack([x, x**2], -1).astype(np.float32), f"y_{split}": y}
    arrays["x_train"][0, 15:] = np.nan
    path = tmp_path_factory.mktemp("data") / "waves.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def real_data():
    """The data folder; skips without one."""
    folder = os.environ.get("TSRL_DATA_DIR")
    if not folder:
        pytest.skip("TSRL_DATA_DIR names no data folder")
    return folder

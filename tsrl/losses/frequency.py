"""Amplitude and phase of Fourier coefficients, which CoST contrasts by themselves."""

import jax.numpy as jnp

from tsrl.types import Array


def amplitude_phase(re: Array, im: Array, epsilon: float = 1e-6) -> tuple[Array, Array]:
    """Amplitudes and phases of complex numbers of any shape, given by their parts.

    References: CoST (arXiv 2202.01575), section 3.3; `epsilon` is added as in the released code: to both parts before
    the amplitude is taken, to the real part before the phase.
    """
    amplitude = jnp.sqrt(jnp.square(re + epsilon) + jnp.square(im + epsilon))
    return amplitude, jnp.arctan2(im, re + epsilon)

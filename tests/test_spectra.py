"""Spectra of pictures whose spectrum is known."""

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.visualization.spectra import frequencies, power_spectrum


def sine(cycles_x, cycles_y=0, size=32, contrast=0.4):
    y, x = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    wave = 0.5 + contrast * torch.sin(2 * torch.pi * (cycles_x * x + cycles_y * y) + 0.3)
    return wave.expand(1, 3, size, size)


@pytest.fixture
def noise():
    return torch.rand(200, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("cycles", "ring"), [((3, 0), 3), ((0, 7), 7), ((6, 8), 10), ((1, 1), 1)])
def test_a_sine_lies_in_its_ring(cycles, ring):
    spectrum = nl.radial_spectrum(sine(*cycles))[0]
    assert spectrum.shape == (16,)
    assert spectrum.argmax() == ring - 1
    assert spectrum[ring - 1] > 1e8 * spectrum[torch.arange(16) != ring - 1].max()


def test_power_sums_to_the_variance(noise):
    images = noise[:5, :, :20]  # not square
    power = power_spectrum(images)
    power[:, 0, 0] = 0
    torch.testing.assert_close(power.sum((1, 2)), images.double().var((2, 3), correction=0).mean(1))


def test_power_is_numpys(noise):
    oracle = np.abs(np.fft.fft2(noise[0].double().numpy())) ** 2 / 1024**2
    np.testing.assert_allclose(power_spectrum(noise[:1])[0], oracle.mean(0))


def test_rings_average_what_loops_average(noise):
    power, found = power_spectrum(noise[:1, :, :16])[0], nl.radial_spectrum(noise[:1, :, :16])[0]
    rings = {k: [] for k in range(1, 9)}
    for i in range(16):
        for j in range(32):
            f = np.hypot(np.fft.fftfreq(16)[i], np.fft.fftfreq(32)[j]) * 16
            for k in rings:
                if k - 0.5 <= f < k + 0.5:
                    rings[k].append(power[i, j].item())
    np.testing.assert_allclose(found, [np.mean(values) for values in rings.values()], rtol=1e-6)


@pytest.mark.parametrize(("cycles", "share"), [((8, 0), 0), ((9, 0), 1), ((6, 6), 1), ((5, 6), 0), ((16, 0), 1)])
def test_high_is_above_half_the_nyquist_frequency(cycles, share):
    assert nl.high_frequency_share(sine(*cycles)).item() == pytest.approx(share, abs=1e-9)


def test_half_the_power_above_is_a_share_of_one_half():
    torch.testing.assert_close(nl.high_frequency_share((sine(3) + sine(12)) / 2), torch.tensor([0.5]))


def test_white_noise_has_the_share_of_the_frequencies_that_count(noise):
    f = frequencies(32, 32)
    counted = (f > 0.25).sum() / (f > 0).sum()
    assert counted.item() == pytest.approx(0.80, abs=0.01)
    assert nl.high_frequency_share(noise).mean().item() == pytest.approx(counted.item(), abs=0.002)


def test_a_flat_image_has_no_high_frequencies():
    assert nl.high_frequency_share(torch.full((1, 3, 32, 32), 0.3)).item() == 0


def test_distance_counts_decades(noise):
    assert nl.spectrum_distance(noise[:1], noise[:1]).item() == 0
    tenth = 0.5 + (noise[:4] - 0.5) * 10**-0.5  # a tenth of the power
    torch.testing.assert_close(nl.spectrum_distance(tenth[:1], noise[:1]), torch.ones(1), rtol=1e-3, atol=0)
    assert nl.spectrum_distance(noise[:50], noise[50:]).mean() < 0.1
    assert torch.isfinite(nl.spectrum_distance(torch.zeros(1, 3, 32, 32), noise)).all()


def test_distance_needs_images_alike(noise):
    with pytest.raises(ValueError, match=r"`real` \(=\(200, 3, 16, 32\)\) must be images like `images`"):
        nl.spectrum_distance(noise, noise[:, :, :16])
    with pytest.raises(ValueError, match=r"`real` \(=\(0, 3, 32, 32\)\)"):
        nl.spectrum_distance(noise, noise[:0])


def test_no_images_no_numbers(noise):
    assert nl.high_frequency_share(noise[:0]).shape == (0,)
    assert nl.spectrum_distance(noise[:0], noise).shape == (0,)

"""The sampler: noise that belongs to a frame, not to a window, and steps that end where they should."""

import pytest
import torch

from alaya.errors import RequestError
from alaya.flow import add_noise, frame_noise, sample

CPU = torch.device("cpu")


def test_noise_belongs_to_the_frame():
    shape = (2, 3, 4)
    whole = frame_noise(5, 0, 20, shape)
    assert whole.shape == (20, *shape)
    assert torch.equal(frame_noise(5, 8, 9, shape), whole[8:17])  # windows that overlap share it
    assert torch.equal(frame_noise(5, 19, 1, shape)[0], whole[19])
    torch.manual_seed(123)  # what else was drawn plays no part
    assert torch.equal(frame_noise(5, 0, 20, shape), whole)
    assert not torch.equal(frame_noise(6, 0, 20, shape), whole)
    assert not torch.equal(whole[0], whole[1])


def test_noise_is_gaussian():
    noise = frame_noise(0, 0, 4, (3, 50, 50))
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02
    pairs = torch.corrcoef(noise.flatten(1))
    assert float((pairs - torch.eye(4)).abs().max()) < 0.05


def test_noise_levels():
    clean, noise = torch.randn(2, 1, 3, 4, 4), torch.randn(2, 1, 3, 4, 4)
    mixed = add_noise(clean, noise, torch.tensor([0.0, 1.0]))
    assert torch.equal(mixed[0], clean[0])
    assert torch.equal(mixed[1], noise[1])
    half = add_noise(clean, noise, torch.full((2,), 0.5))
    assert torch.allclose(half, (clean + noise) / 2)


@pytest.mark.parametrize("num_steps", [1, 2, 4])
def test_steps(num_steps):
    noise = frame_noise(1, 0, 1, (3, 4, 4))[None]
    answers = [torch.full((1, 1, 3, 4, 4), float(step)) for step in range(num_steps)]
    seen = []

    def predict(t, noisy):
        seen.append((float(t[0]), noisy))
        return answers[len(seen) - 1]

    drawn = []
    result = sample(predict, num_steps, lambda: drawn.append(1) or noise, CPU)
    assert torch.equal(result, answers[-1])
    assert [t for t, _ in seen] == pytest.approx([1 - step / num_steps for step in range(num_steps)])
    assert seen[0][1] is None
    assert len(drawn) == (num_steps > 1)  # one step needs no noise at all, more steps share one draw
    for step in range(1, num_steps):
        t = 1 - step / num_steps
        assert torch.allclose(seen[step][1], (1 - t) * answers[step - 1] + t * noise)


@pytest.mark.parametrize("num_steps", [0, -1])
def test_fewer_than_one_step_is_refused(num_steps):
    with pytest.raises(RequestError, match="num_steps must be at least 1"):
        sample(lambda t, noisy: t, num_steps, None, torch.device("cpu"))

"""Maximum softmax with a fitted temperature."""

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch.testing import assert_close

from antehoc.doubts import Temperature
from antehoc.errors import DataError


def test_confidence_is_the_logarithm_of_what_the_decided_class_lacks():
    doubt = Temperature()("single-label", torch.tensor([[2.0, 0.0, -1.0]]))
    assert_close(doubt, (1 - torch.tensor([[2.0, 0.0, -1.0]]).softmax(1).amax(1)).log())


def test_it_tells_decisions_apart_whose_probabilities_both_round_to_one():
    doubt = Temperature()("single-label", torch.tensor([[60.0, 0.0], [90.0, 0.0]]))
    assert_close(doubt, torch.tensor([-60.0, -90.0]))


def test_with_several_labels_it_is_the_same_of_each_label():
    logits = torch.tensor([[2.0, -3.0]])
    assert_close(Temperature()("multi-label", logits), (1 - logits.abs().sigmoid()).log())


@pytest.mark.parametrize("true", [0.5, 2.0])
def test_the_temperature_is_that_of_the_likelihood(true):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(400, 4, generator=generator)
    label = (logits / true).softmax(1).multinomial(1, generator=generator)[:, 0]
    fitted = Temperature()
    fitted.fit("single-label", logits, label)

    def loss(temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits.double() / temperature, label))

    assert float(fitted.value) == pytest.approx(minimize_scalar(loss, bounds=(0.1, 10)).x, rel=1e-4)
    assert float(fitted.value) == pytest.approx(true, rel=0.25)


def test_a_temperature_of_labels_is_fitted_to_their_likelihood():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(500, 3, generator=generator)
    label = ((logits / 2).sigmoid() > torch.rand(500, 3, generator=generator)).float()
    fitted = Temperature()
    fitted.fit("multi-label", logits, label)
    assert float(fitted.value) == pytest.approx(2, rel=0.25)


def test_no_rows_and_logits_that_are_not_finite_are_refused():
    for logits in (torch.zeros(0, 2), torch.tensor([[0.0, torch.nan]])):
        with pytest.raises(DataError, match="finite logits"):
            Temperature().fit("single-label", logits, torch.zeros(len(logits), dtype=torch.int64))


def test_models_of_earlier_versions_have_a_temperature_of_one():
    one = Temperature()
    one.value.fill_(3.0)
    other = Temperature()
    other.load_state_dict(one.state_dict())
    assert float(other.value) == 3
    other.load_state_dict({})
    assert float(other.value) == 1

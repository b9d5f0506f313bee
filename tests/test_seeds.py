from hypothesis import given
from hypothesis import strategies as st

from antehoc.seeds import mix

GOLDEN = [4112510138945774000, 8771405417905567159, 8570034231789307172, 1797489842827820717]


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3))
def test_a_mixed_seed_is_a_seed(numbers):
    assert 0 <= mix(*numbers) < 2**63
    assert mix(*numbers) == mix(*numbers)


def test_seeds_are_those_that_figures_were_measured_with():
    assert [mix(0, 1), mix(0, 3), mix(1, 3), mix(7, 1, 2)] == GOLDEN


def test_order_and_number_count():
    assert len({mix(1, 2), mix(2, 1), mix(1), mix(1, 2, 0)}) == 4

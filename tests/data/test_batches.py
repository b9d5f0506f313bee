import os
import pickle

import numpy as np
import pytest

from antehoc.data import batches
from antehoc.data.batches import read_pickled
from antehoc.errors import DataError


class Reached:
    """A pickle of it calls a function of Python."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_text_and_lists_are_read(protocol):
    data = np.arange(24, dtype=np.uint8).reshape(2, 12)
    content = pickle.dumps({b"data": data, "labels": [3, 1], b"names": [b"cat", "dog"]}, protocol=protocol)
    found = read_pickled(content, "batch")
    np.testing.assert_array_equal(found["data"], data)
    assert (found["labels"], found["names"]) == ([3, 1], ["cat", "dog"])


def test_fortran_order_is_kept():
    data = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    np.testing.assert_array_equal(read_pickled(pickle.dumps({"data": data}, 2), "batch")["data"], data)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "function", [os.mkdir, eval, getattr, pickle.loads, np.load, np.frombuffer], ids=lambda one: one.__name__
)
def test_nothing_is_executed(protocol, function, tmp_path):
    ran = tmp_path / "ran"
    argument = str(ran) if function is os.mkdir else f"__import__('os').mkdir({str(ran)!r})"
    content = pickle.dumps({b"data": Reached(function, argument)}, protocol=protocol)
    with pytest.raises(DataError, match=r"batch: this pickle asks for \S+, which a batch .* was not run; use another"):
        read_pickled(content, "batch")
    assert not ran.exists()


def test_a_pickle_cannot_change_what_reads_it():
    # GLOBAL numpy dtype, a mapping, BUILD: sets attributes of what it was handed
    content = b"\x80\x02cnumpy\ndtype\n}U\x08__name__U\x04evilsb."
    with pytest.raises(DataError):
        read_pickled(content, "batch")
    assert batches._Kind.__name__ == "_Kind"
    assert read_pickled(pickle.dumps({"data": np.zeros(1, np.uint8)}, 2), "batch")["data"].shape == (1,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "this is no pickled batch"),
        (b"PK\3\4 a zip", "this is no pickled batch"),
        (pickle.dumps({"data": np.zeros(3, np.uint8)}, 2)[:-20], "this is no pickled batch"),
        (pickle.dumps([1, 2]), "a batch is a mapping; got list"),
        (pickle.dumps({"data": np.zeros(3)}, 2), "arrays of a batch hold bytes"),
        (pickle.dumps({"data": np.array([{}], object)}, 2), "arrays of a batch hold bytes"),
    ],
)
def test_what_is_no_batch_is_refused_in_a_sentence(content, said):
    with pytest.raises(DataError, match=said) as caught:
        read_pickled(content, "batch")
    assert str(caught.value).endswith(".")

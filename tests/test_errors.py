import pytest

from antehoc import errors
from antehoc.errors import AntehocError, DataError, ImageError, RecipeError, choose, near_miss

TABLE = {"mirror": 1, "joint": 2}


@pytest.mark.parametrize("name", [name for name in dir(errors) if name.endswith("Error")])
def test_whatever_a_person_can_mend_is_caught_as_one(name):
    assert issubclass(getattr(errors, name), AntehocError)
    assert not issubclass(getattr(errors, name), (ValueError, OSError)), "a stray error of Python's must not be caught"


def test_one_bad_image_is_an_error_of_the_data():
    assert issubclass(ImageError, DataError)


@pytest.mark.parametrize("name", TABLE)
def test_choose_gives_the_entry(name):
    assert choose("system", name, TABLE) == TABLE[name]


def test_choose_hints_at_the_likely_slip():
    with pytest.raises(RecipeError) as caught:
        choose("system", "miror", TABLE)
    assert str(caught.value) == "no system is called 'miror'. Did you mean 'mirror'? Known: joint, mirror."


def test_choose_does_not_guess_where_nothing_is_near():
    with pytest.raises(RecipeError) as caught:
        choose("metric", "xyzzy", TABLE)
    assert str(caught.value) == "no metric is called 'xyzzy'. Known: joint, mirror."


def test_an_error_shows_names_that_cannot_be_seen():
    with pytest.raises(RecipeError, match=r"'mirror '.*Did you mean 'mirror'"):
        choose("system", "mirror ", TABLE)


@pytest.mark.parametrize(("name", "hint"), [("jiont", " Did you mean 'joint'?"), ("", ""), ("self-explainer", "")])
def test_near_miss(name, hint):
    assert near_miss(name, TABLE) == hint

"""Blocks: plain data; what becomes of them is tested with what renders them."""

import torch

from antehoc.blocks import Note, Picture, Section, Told


def test_a_picture_keeps_every_pixel_of_an_image_of_either_kind():
    for channels, mode in ((1, "L"), (3, "RGB")):
        image = torch.randint(256, (channels, 5, 7)) / 255
        picture = Picture.of(image, "noise", size="small")
        assert (picture.image.mode, picture.image.size, picture.size) == (mode, (7, 5), "small")
        pixels = torch.tensor(list(picture.image.tobytes())).view(5, 7, channels).permute(2, 0, 1)
        assert torch.equal(pixels, (image * 255).round().long())


def test_what_can_be_told_has_a_headline_and_blocks_for_a_page_and_a_terminal():
    class Finding:
        def headline(self) -> str:
            """One sentence."""
            return "Nothing was found."

        def blocks(self, name: str = "") -> list[Section]:
            """One section."""
            return [Section(name, (Note("none"),))]

        def brief(self) -> list[Note]:
            """One note."""
            return [Note("none")]

    assert isinstance(Finding(), Told)
    assert not isinstance(Note("none"), Told)

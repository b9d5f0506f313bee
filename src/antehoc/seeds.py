"""Seeds made from seeds, so that every draw has random numbers of its own without a state to keep."""


def mix(*numbers: int) -> int:
    """One seed from several numbers.

    Returns:
        A number in 0..2**63 - 1; the same for the same numbers on every machine.
    Example:
        >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(1, 0)
        (True, False)
    """
    value = 0x9E3779B97F4A7C15
    for number in numbers:
        value = ((value ^ number) * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
        value ^= value >> 31
    return value >> 1

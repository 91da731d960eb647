import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import RegistryError
from zoo.names import format_name, parse_name, split_tag

WORDS = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,4}){0,3}", fullmatch=True)
SIZES = st.fixed_dictionaries({}, optional={"depth": st.integers(1, 99), "filters": st.integers(1, 4096)})


@pytest.mark.parametrize(
    ("name", "base", "sizes"),
    [
        ("unet", "unet", {}),
        ("resunet-v1-d5-f64", "resunet-v1", {"depth": 5, "filters": 64}),
        ("resunet-v1-3d-d4-f16", "resunet-v1-3d", {"depth": 4, "filters": 16}),
        ("resunet-v2-bn-f8", "resunet-v2-bn", {"filters": 8}),
        ("resunet-a-d6", "resunet-a", {"depth": 6}),
        ("vnet-2d", "vnet-2d", {}),
        ("resnet34-unet", "resnet34-unet", {}),
        ("deep-resunet-f64", "deep-resunet", {"filters": 64}),
        ("unet-f", "unet-f", {}),
    ],
)
def test_a_name_is_a_base_and_sizes(name, base, sizes):
    assert parse_name(name) == (base, sizes)
    assert format_name(base, sizes) == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "-", "UNet", "resunet_v1", "resunet v1", "resunet-v1-", "-resunet", "resunet--v1", "4unet", "unet.v1", "unet/d5",
        "unet-f64-d5", "unet-d05", "unet-d0", "unet-d5-d4", "unet-d5-bn", "unet-d9999999999", "unet-d٣", "d5", "d5-f64",
        "unet-é", "unet\n", "unet-d5\n", None, 5, b"unet", ["unet"],
    ],
)  # fmt: skip
def test_an_ill_formed_name_is_refused_with_the_grammar(name):
    with pytest.raises(
        RegistryError, match=r"^Ill-formed model name: .*<family>\[-3d\]\[-<variant>\]\[-d<depth>\]\[-f<filters>\]"
    ):
        parse_name(name)


@given(WORDS, SIZES)
def test_formatting_and_parsing_are_inverse(base, sizes):
    name = format_name(base, sizes)
    try:
        parsed = parse_name(name)
    except RegistryError:  # the random base ended in a size
        assert any(part[0] in "df" and part[1:].isdigit() for part in base.split("-"))
        return
    assert parsed == (base, sizes)


@given(st.text())
def test_any_text_parses_or_is_refused(text):
    try:
        base, sizes = parse_name(text)
    except RegistryError:
        return
    assert format_name(base, sizes) == text


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("unet", ("unet", None)),
        ("resunet-v1-d4-f16.nuclei-v1", ("resunet-v1-d4-f16", "nuclei-v1")),
        ("unet.a.b", ("unet", "a.b")),
        ("unet.", ("unet", "")),
    ],
)
def test_a_weights_tag_follows_the_first_dot(name, parts):
    assert split_tag(name) == parts

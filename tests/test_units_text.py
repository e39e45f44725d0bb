"""Addresses: each reads back to the same objective, and what is no address says where and why."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from neurolens.units import ClassUnit, LayerUnit, Objective, parse


@pytest.mark.parametrize(
    ("text", "canonical", "aloud"),
    [
        ("layer4", "layer4", "layer4"),
        ("layer4.C182", "layer4.C182", "channel 182 of layer4"),
        (" layer4.C182N15 ", "layer4.C182N15", "neuron 15 of channel 182 of layer4"),
        ("layer4.0.conv1.C003", "layer4.0.conv1.C3", "channel 3 of layer4.0.conv1"),
        ("0.C3", "0.C3", "channel 3 of 0"),
        ("2*0.5", "2*0.5", "2 × 0.5"),  # a layer named 0.5: only a star makes a weight
        ("logit: dog", "logit:dog", "logit of dog"),
        ('softmax:"hot dog"', 'softmax:"hot dog"', "probability of hot dog"),
        ('"layer4"', "layer4", "layer4"),
        ('"block.C3"', '"block.C3"', "block.C3"),
        ('"block.C3".C4', '"block.C3".C4', "channel 4 of block.C3"),
        (r'logit:"3\" \\"', r'logit:"3\" \\"', 'logit of 3" \\'),
        (
            "logit:dog-0.50*layer4 + 1.0*stem",
            "logit:dog - 0.5*layer4 + stem",
            "logit of dog - 0.5 × layer4 + stem",
        ),
        ("-1*stem -- 1e-7*head", "-stem + 1e-07*head", "-stem + 1e-07 × head"),
        ("stem - stem", "stem - stem", "stem - stem"),  # nothing is merged
    ],
)
def test_a_text_has_one_canonical_form_and_one_reading(text, canonical, aloud):
    assert str(parse(text)) == canonical
    assert repr(parse(text)) == f"Objective({aloud})"


plain_names = st.text("abzA_09é²", min_size=1, max_size=4)
odd_names = st.sampled_from(["a.0.b", "5", "0.5", "1e", "logit", "logit:x", "a.C3", "a.C1N2", "a.", " a", "", *'\\"'])
weights = st.sampled_from([1, -1, 0, 0.5, 2, 1e-5, -1e22]) | st.floats(allow_nan=False, allow_infinity=False)
indices = st.integers(0, 999)


def sums_of(names):
    units = (
        st.builds(ClassUnit, st.sampled_from(["logit", "softmax"]), names)
        | st.builds(LayerUnit, names, st.none() | indices)
        | st.builds(LayerUnit, names, indices, indices)
    )
    return st.lists(st.tuples(weights, units), min_size=1, max_size=3).map(tuple).map(Objective)


pieces = st.sampled_from([*'+-*.:"\\ 05eCNé²\n', "layer4", "logit", "softmax:", ".C1", "N2"])
quick = settings(max_examples=200)


@quick
@given(sums_of(plain_names | odd_names | st.text(max_size=4)))
def test_a_text_reads_back_to_an_equal_objective(objective):
    again = parse(str(objective))
    assert again == objective
    assert hash(again) == hash(objective)
    assert str(again) == str(objective)


@quick
@given(st.lists(pieces, max_size=8).map("".join) | st.text(max_size=8))
@example("9" * 5000 + "*a")
@example("a.C" + "9" * 5000)
@example("logit:" + '"' * 9)
def test_any_text_is_an_objective_or_a_value_error(text):
    try:
        objective = parse(text)
    except ValueError:
        return
    assert parse(str(objective)) == objective


@quick
@given(sums_of(plain_names), st.sampled_from("/()[]{}^%=,;'|?!"), st.integers(0, 99))
def test_a_stray_character_is_found_where_it_stands(objective, stray, at):
    text = str(objective)
    at %= len(text) + 1
    malformed = text[:at] + stray + text[at:]
    with pytest.raises(ValueError, match="is no address") as error:
        parse(malformed)
    column = int(str(error.value).split(" at column ")[1].split(",")[0])
    assert column <= at + 1
    assert f"found {malformed[column - 1 :]!r};" in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected", "column", "found"),
    [
        ("", "a unit", 1, "the end"),
        ("   ", "a unit", 4, "the end"),
        ("layer4 - ", "a unit", 10, "the end"),
        ("0.5*", "a unit", 5, "the end"),
        ("(layer4)", "a unit", 1, "(layer4)"),
        ("layer4 layer3", "+ or -", 8, "layer3"),
        ("layer4 0.5*layer3", "+ or -", 8, "0.5*layer3"),
        ("layer4 + 2*3*layer3", "+ or -", 13, "*layer3"),
        ("layer4*2", "+ or -", 7, "*2"),
        ("layer4.", "+ or -", 7, "."),
        ("layer4..C1", "+ or -", 7, "..C1"),
        ("layer4/C1", "+ or -", 7, "/C1"),
        ("prob:dog", "+ or -", 5, ":dog"),
        ("logit:", "+ or -", 6, ":"),
        ("logit:'hot dog'", "+ or -", 6, ":'hot dog'"),
        ('logit:"hot', "+ or -", 6, ':"hot'),
        ("logit:hot dog", "+ or -", 11, "dog"),
    ],
)
def test_malformed_text_says_where_and_what_was_expected(text, expected, column, found):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert str(error.value) == (
        f"`text` (={text!r}) is no address: expected {expected} at column {column}, found {found!r}; "
        "one is logit:dog - 0.5*layer4.C182"
    )

"""What is taken for a card number, what is not, and what is left of a text that held one."""

import random

import pytest

from fraud.card_numbers import has_secret_field, holds_card_number, is_card_number, luhn, masked, suspects

VISA = "4111111111111111"
AMEX = "378282246310005"


def numbered(prefix: str, length: int, seed: int = 1) -> str:
    """A number of an issuer with the right last digit."""
    middle = "".join(random.Random(seed).choices("0123456789", k=length - len(prefix) - 1))
    return next(prefix + middle + digit for digit in "0123456789" if luhn(prefix + middle + digit))


NETWORKS = {
    "Visa": (("4",), (13, 16, 19)),
    "Mastercard": (("51", "55", "2221", "2229", "2230", "2300", "2699", "2700", "2719", "2720"), (16,)),
    "American Express": (("34", "37"), (15,)),
    "Diners Club": (("300", "305", "309", "36", "38", "39"), (14, 16, 19)),
    "Discover": (("6011", "644", "649", "65"), (16, 19)),
    "UnionPay": (("62",), (16, 17, 18, 19)),
    "JCB": (("3528", "3589"), (16, 19)),
    "Maestro": (("50", "56", "58", "6304", "6759"), (12, 13, 16, 19)),
}
ISSUED = [
    pytest.param(numbered(prefix, length, seed), id=f"{network} {prefix} of {length} digits, {seed}")
    for network, (prefixes, lengths) in NETWORKS.items()
    for prefix in prefixes
    for length in lengths
    for seed in (1, 2)
]


@pytest.mark.parametrize("number", ISSUED)
def test_numbers_of_every_network_are_found_with_the_right_last_digit_only(number: str) -> None:
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)

    assert is_card_number(number)
    assert not is_card_number(wrong)
    assert holds_card_number(f'{{"note":"paid with {number}, thanks"}}')
    assert not holds_card_number(f'{{"note":"paid with {wrong}, thanks"}}')


@pytest.mark.parametrize(
    ("prefix", "length"),
    [
        pytest.param("0", 16, id="no network begins with 0"),
        pytest.param("1", 16, id="airlines' own cards"),
        pytest.param("9", 16, id="national numbers"),
        pytest.param("7", 16, id="fuel cards"),
        pytest.param("2220", 16, id="just under Mastercard's second range"),
        pytest.param("2721", 16, id="just over Mastercard's second range"),
        pytest.param("3527", 16, id="just under JCB"),
        pytest.param("3590", 16, id="just over JCB"),
        pytest.param("33", 15, id="next to American Express"),
        pytest.param("306", 14, id="just over Diners Club's first range"),
        pytest.param("4", 12, id="Visa with a digit too few"),
        pytest.param("4", 15, id="Visa of 15 digits"),
        pytest.param("4", 17, id="Visa of 17 digits"),
        pytest.param("51", 15, id="Mastercard with a digit too few"),
        pytest.param("51", 17, id="Mastercard with a digit too many"),
        pytest.param("34", 16, id="American Express of 16 digits"),
        pytest.param("36", 13, id="Diners Club with a digit too few"),
        pytest.param("50", 11, id="Maestro with a digit too few"),
        pytest.param("50", 20, id="longer than any card"),
    ],
)
def test_other_numbers_are_not(prefix: str, length: int) -> None:
    for seed in range(20):
        number = numbered(prefix, length, seed)

        assert not is_card_number(number)
        assert not holds_card_number(number)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("4111 1111 1111 1111", id="groups of four"),
        pytest.param("4111-1111-1111-1111", id="dashes"),
        pytest.param("4111-1111 1111-1111", id="dashes and spaces"),
        pytest.param("3782 822463 10005", id="as American Express writes it"),
        pytest.param("3782-822463-10005", id="as American Express writes it, with dashes"),
        pytest.param("4111 1111 1111 1111 12/27", id="the expiry date behind it"),
        pytest.param("4111 1111 1111 1111 123", id="the security code behind it"),
        pytest.param("1234 4111 1111 1111 1111", id="another group before it"),
        pytest.param(" ".join(numbered("62", 19)[at : at + 4] for at in range(0, 19, 4)), id="19 digits in groups"),
        pytest.param("x4111111111111111y", id="between letters"),
        pytest.param("%B4111111111111111^DOE/JO^2712101", id="track 1"),
        pytest.param(";4111111111111111=27121010000?", id="track 2"),
        pytest.param(r"\u0034111111111111111", id="a digit escaped"),
        pytest.param("".join(f"\\u003{digit}" for digit in VISA), id="every digit escaped"),
        pytest.param("".join(f"\\\\u003{digit}" for digit in VISA), id="escaped twice"),
        pytest.param('{"card":4111111111111111}', id="a number"),
        pytest.param('{"card":4111111111111111.0}', id="a number with a point"),
        pytest.param('{"note":"5.4111111111111111"}', id="after a point, in a text"),
    ],
)
def test_however_it_is_written_it_is_found_and_masked(text: str) -> None:
    assert holds_card_number(text)
    assert suspects([text.encode()]).tolist() == [True]
    assert not holds_card_number(masked(text))
    assert "1111" not in masked(text).replace("1111 12", "")
    assert "822463" not in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{'a' * 8}{VISA}{'b' * 8}", id="within a hash"),
        pytest.param("41111111-1111-4111-8111-411111111111", id="a UUID"),
        pytest.param(f"00000000-0000-4000-8000-{numbered('50', 12)}", id="a UUID that ends like a Maestro card"),
        pytest.param(f"{VISA}{VISA}", id="a run of 32 digits"),
        pytest.param(f'{{"latitude":52.{VISA}}}', id="the digits of a coordinate"),
        pytest.param(f'{{"place":[13.{VISA},-5.{numbered("50", 14)}]}}', id="coordinates in a list"),
        pytest.param("2026-03-02T12:00:00.123456+01:00", id="a moment"),
        pytest.param("+49 30 1234 5678", id="a telephone number"),
    ],
)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert not holds_card_number(text)


def test_most_messages_are_not_even_suspects() -> None:
    messages = [
        b'{"transaction_id":"t-1","event_time":"2026-03-02T12:00:00.123456+01:00","amount":812.50}',
        b'{"latitude":52.520006599999988,"longitude":-13.404953999999975}',
        b'{"note":"a quote \\" and a backslash \\\\","latitude":52.520006599999988}',
        b"",
    ]

    assert suspects(messages).tolist() == [False] * 4
    assert suspects([]).tolist() == []


@pytest.mark.parametrize("exponent", ["e15", "E+15"])
def test_an_exponent_that_moves_the_point_is_a_suspect(exponent: str) -> None:
    assert suspects([f'{{"card":4.111111111111111{exponent}}}'.encode()]).tolist() == [True]


@pytest.mark.parametrize("name", ["cvv", "CVV2", "cvc", "cid", "csc", "track", "track2", "track_2_data", "trackData", "pin", "PIN",
                                  "pinBlock", "pin_block", "card_cvv", "cardCvv", "securityCode", "security_code",
                                  "verification_value", "magstripe", "track2_equivalent_data"])  # fmt: skip
@pytest.mark.parametrize(
    "value",
    [
        '"737secret"',
        '"737 sec\\"ret"',
        "737",
        '["737", "secret"]',
        '{"value": {"secret": 737}}',
        '"737 secret cut short',
    ],
    ids=["a text", "an escaped quote", "a number", "a list", "an object", "cut short"],
)
def test_the_value_of_a_field_that_must_never_be_kept_is_masked(name: str, value: str) -> None:
    text = f'{{"user_id": "u-one", "{name}" : {value}'

    assert has_secret_field(text)
    assert "737" not in masked(text)
    assert "ret" not in masked(text)
    assert "u-one" in masked(text)


def test_secrets_in_a_text_within_a_text_are_masked() -> None:
    assert "737" not in masked(r'{"note": "{\"cvv\": \"737\"}"}')
    assert "737" not in masked(r'{"c\u0076v": "737"}')
    assert "737" not in masked("card=x&cvv=737&zip=1")


@pytest.mark.parametrize(
    "name", ["shipping", "spin", "pinned", "tracking_number", "track_id", "acid", "soundtrack", "opinion"]
)
def test_fields_that_only_sound_alike_are_kept(name: str) -> None:
    text = f'{{"{name}": "737"}}'

    assert not has_secret_field(text)
    assert masked(text) == text


def test_masking_takes_linear_time_on_hostile_text() -> None:
    """Nested quantifiers would not come back from these."""
    for text in (
        '"cvv":"' + "\\" * 60_000,
        "1 " * 60_000,
        "a" * 60_000,
        '"' * 60_000,
        "pin" * 20_000,
        "\\u003" * 12_000,
    ):
        assert len(masked(text)) <= len(text)
        assert not holds_card_number(text)

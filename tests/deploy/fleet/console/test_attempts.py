from __future__ import annotations

from deploy.fleet.console.access.attempts import MOST, REFILL_S, TRIES, Attempts


def test_tries_run_out_and_come_back_one_by_one() -> None:
    now_s = [0.0]
    attempts = Attempts(lambda: now_s[0])
    assert [attempts.take("10.0.0.1") for _ in range(TRIES + 2)] == [True] * TRIES + [False] * 2
    assert attempts.take("10.0.0.2"), "others have their own"
    now_s[0] += REFILL_S
    assert [attempts.take("10.0.0.1") for _ in range(2)] == [True, False]
    now_s[0] += REFILL_S * 100
    assert [attempts.take("10.0.0.1") for _ in range(TRIES + 1)] == [True] * TRIES + [False]


def test_who_has_the_token_starts_anew() -> None:
    attempts = Attempts(lambda: 0.0)
    for _ in range(TRIES):
        attempts.take("10.0.0.1")
    attempts.forgive("10.0.0.1")
    assert attempts.take("10.0.0.1")


def test_the_addresses_of_an_ipv6_client_count_as_one() -> None:
    attempts = Attempts(lambda: 0.0)
    assert [attempts.take(f"2001:db8::{number}") for number in range(TRIES + 1)] == [True] * TRIES + [False]
    assert attempts.take("2001:db8:0:1::1")


def test_many_addresses_take_no_memory() -> None:
    attempts = Attempts(lambda: 0.0)
    for number in range(MOST + 10):
        attempts.take(str(number))
    assert len(attempts._spent) == MOST

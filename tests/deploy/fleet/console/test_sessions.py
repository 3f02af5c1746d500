from __future__ import annotations

from deploy.fleet.console.access.sessions import LIFETIME_S, MOST, Sessions


def test_a_session_ends_by_time_by_leaving_and_with_the_token() -> None:
    now_s = [0.0]
    sessions = Sessions(lambda: now_s[0])
    first, second = sessions.begin("token"), sessions.begin("token")
    assert first != second and sessions.knows(first, "token")
    assert not sessions.knows(first, "another token") and not sessions.knows("", "token")
    sessions.end(first)
    assert not sessions.knows(first, "token") and sessions.knows(second, "token")
    now_s[0] = LIFETIME_S - 1
    assert sessions.knows(second, "token")
    now_s[0] = LIFETIME_S
    assert not sessions.knows(second, "token")


def test_their_number_is_bounded() -> None:
    sessions = Sessions()
    secrets = [sessions.begin("token") for _ in range(MOST + 1)]
    assert not sessions.knows(secrets[0], "token")
    assert sessions.knows(secrets[1], "token") and sessions.knows(secrets[-1], "token")

"""The pages in a real browser, over real TLS."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.fleet.console.detections.sqlite import SqliteStore
from deploy.fleet.registry.intake import Heard
from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.lock import moving
from fissura.update_messages import Presence
from tests.deploy.fleet.console import fleet_data
from tests.deploy.fleet.console.browser import Browser
from tests.deploy.fleet.console.console_process import ConsoleProcess, make_home
from tests.deploy.fleet.console.sightings import sighting_number
from tests.mosquitto import wait_until

CRACKS = 40


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleProcess]:
    """A console of a fleet of 240 devices, one of them hostile."""
    home = make_home(tmp_path_factory.mktemp("site") / "fleet")
    registry = home / "state" / "fleet.sqlite"
    fleet_data.fill_devices(registry, 240)
    fleet_data.fill_attacker(registry)
    fleet_data.fill_ended_rollouts(registry)
    fleet_data.fill_rollout(registry, reason=f"failures: 5 of 20 {fleet_data.ATTACK}")
    fleet_data.fill_cracks(home / "state" / "detections.sqlite", CRACKS)
    with ConsoleProcess(home) as console:
        yield console


@pytest.fixture
def page(site: ConsoleProcess, browser: Browser) -> Browser:
    """A browser that is logged in, without any complaint so far."""
    browser.size(1280, 860)
    browser.go(f"{site.url}login")
    browser.fill("#token", site.token)
    browser.follow("button.main")
    browser.errors.clear()
    return browser


def serials(page: Browser) -> list[str]:
    found = page.run("[...document.querySelectorAll('.devices td.serial')].map(cell => cell.innerText)")
    assert isinstance(found, list)
    return found


def test_a_wrong_token_gets_a_word_and_the_right_one_gets_in(site: ConsoleProcess, browser: Browser) -> None:
    browser.go(f"{site.url}map")
    assert browser.run("location.pathname") == "/login"
    browser.fill("#token", "wrong")
    browser.follow("button.main")
    assert "This is not the token." in browser.text()
    browser.fill("#token", site.token)
    browser.follow("button.main")
    assert browser.run("location.pathname") == "/" and "truck-00000" in browser.text()
    assert browser.run("document.cookie") == "", "scripts must not see the session"
    browser.follow(".leave button")
    browser.go(site.url)
    assert browser.run("location.pathname") == "/login"


def test_the_table_tells_what_the_devices_said(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}?q=truck-00009")
    (row,) = page.run("[...document.querySelectorAll('.devices tbody tr')].map(row => row.innerText)")
    for words in ("truck-00009", "online", "11", "rolled back", "of 12", "latency: p99 of 184 ms", "ago"):
        assert words in row
    assert not page.errors


def test_the_table_comes_in_pages(site: ConsoleProcess, page: Browser) -> None:
    seen = serials(page)
    assert len(seen) == 100
    page.follow("a[rel=next]")
    page.follow("a[rel=next]")
    assert "201–241 of 241" in page.text(".pager").replace("\n", " ")
    assert len(serials(page)) == 41 and not set(seen) & set(serials(page))
    page.go(f"{site.url}?page=99999999")
    assert len(serials(page)) == 41
    page.go(f"{site.url}?page=-1")
    assert serials(page) == seen


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=truck-0001", 10),
        ("phase=failures", 25),
        ("phase=rolled_back", 24),
        ("active=11", 24),
        ("active=factory", 1),
        ("online=yes&phase=failures", 12),
        ("channel=stable&q=latency", 24),
        ("q=no+such+device", 0),
    ],
)
def test_filters(site: ConsoleProcess, page: Browser, query: str, count: int) -> None:
    page.go(f"{site.url}?{query}")
    assert len(serials(page)) == count
    assert ("No device fits the filter" in page.text()) == (count == 0)


def test_the_form_filters_and_a_list_does_at_once(site: ConsoleProcess, page: Browser) -> None:
    page.fill("input[name=q]", "truck-0002")
    page.follow(".filters button")
    assert len(serials(page)) == 10
    page.run("void (window.isOld = true)")
    page.fill("select[name=phase]", "failures")
    page.run("void document.querySelector('select[name=phase]').dispatchEvent(new Event('change'))")
    page.wait("!window.isOld && document.readyState === 'complete'")
    assert serials(page) == ["truck-00029"]


@pytest.mark.slow  # the page asks every five seconds
def test_the_table_keeps_itself_fresh(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}?q=newcomer")
    assert serials(page) == []
    with Registry(site.home / "state" / "fleet.sqlite") as registry:
        registry.store([Heard(Presence(serial="newcomer", online=True))])
    page.wait("document.querySelector('.devices td.serial')?.innerText === 'newcomer'")
    assert not page.errors


def test_a_device_has_its_history(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}?q=truck-00019")
    page.follow(".devices td.serial a")
    text = page.text("main")
    assert "release 11" in text and "rolled back" in text and "p99, ms 184" in text
    page.go(f"{site.url}devices/truck-01")
    assert "its agent was never heard, only its detections" in page.text("dl")
    page.follow("dd a")
    assert page.run("location.pathname + location.search") == "/map?serial=truck-01"
    page.go(f"{site.url}devices/nobody")
    assert "No device of this serial was ever heard." in page.text()


def test_a_rollout_shows_its_waves_and_why_devices_failed(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}rollouts")
    text = page.text(".rollout")
    assert "cssr 12" in text and "paused" in text
    assert "15 committed" in text and "5 failed" in text and text.count("not begun") == 2
    lengths = page.run(
        "[...document.querySelectorAll('.rollout:first-child li:nth-child(2) rect')].map(r => r.width.baseVal.value)"
    )
    assert lengths == [75, 25]
    (row,) = page.run(
        "[...document.querySelectorAll('.reasons tbody tr')].map(r => r.innerText).filter(t => t.includes('latency'))"
    )
    assert row.startswith("24") and "truck-00009" in row and "and 19 more" in row


def test_a_rollout_that_is_over_has_nothing_under_way(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}rollouts")
    (text,) = page.run(
        "[...document.querySelectorAll('.rollout')].map(r => r.innerText).filter(t => t.includes('cssr 30'))"
    )
    assert "aborted" in text and "1 not finished" in text and "1 running" not in text
    assert "It ended before the waves of 50, 100 %." in text and "begun" not in text
    assert "2025-10-09 08:53:20 UTC" in text


def test_a_rollout_with_failures_is_not_green(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}rollouts")
    badges = page.run(
        "[...document.querySelectorAll('.rollout h2')].map(h => [h.innerText, h.lastElementChild.className])"
    )
    (found,) = [kind for words, kind in badges if "cssr 31" in words and "done, 2 of 3 failed" in words]
    assert found == "badge mild"


def test_a_rollout_that_no_command_drives_says_so(site: ConsoleProcess, page: Browser) -> None:
    def head() -> str:
        page.go(f"{site.url}rollouts")
        heads = page.run("[...document.querySelectorAll('.rollout h2')].map(h => h.innerText)")
        return next(str(words) for words in heads if "cssr 32" in words)

    assert "running, but no command drives it" in head()
    with moving(site.home / "state" / "fleet.sqlite", "lonely"):
        assert "no command" not in head()
    assert "no command drives it" in head()


def test_what_the_operator_revoked_is_no_failure(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}rollouts")
    (tables,) = page.run(
        "[...document.querySelectorAll('.rollout')].filter(r => r.innerText.includes('cssr 31'))"
        ".map(r => [...r.querySelectorAll('h3')].map(h => h.innerText + h.nextElementSibling.innerText))"
    )
    (revoked,) = tables
    assert revoked.startswith("Taken back") and "revoked" in revoked and "taker" in revoked


def test_a_bad_filter_shows_and_exports_nothing(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}map?since=yesterday")
    assert "is no time" in page.text(".problem")
    assert page.run("document.querySelectorAll('#map, .files a, .above').length") == 0
    assert "detection" not in page.text("main").lower()


@pytest.mark.parametrize("path", ["cracks.csv", "cracks.geojson"])
def test_an_export_refuses_a_word_that_it_does_not_know(site: ConsoleProcess, path: str) -> None:
    with site.logged_in() as client:
        answer = client.get(f"{path}?serial=truck-01&min_widht_mm=3")
        assert answer.status_code == 400 and "min_widht_mm" in answer.text and "min_width_mm" in answer.text
        assert client.get(f"{path}?serial=truck-01&bbox=0,0,20,60").status_code == 200


def test_every_page_tells_how_old_it_is(site: ConsoleProcess, page: Browser) -> None:
    for path in ("", "devices/truck-00009", "rollouts", "audit", "map"):
        page.go(f"{site.url}{path}")
        text = page.text(".freshness")
        assert (
            re.search(r"Newest report .*, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", text) and "without a broker" in text
        ), path
    page.go(f"{site.url}?q=truck-00003")
    assert "offline" in page.text(".devices tbody") and "now" not in page.text(".devices tbody")


def test_the_audit_says_whether_its_chain_holds(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}audit")
    assert "The chain holds" in page.text() and "Roll-out 4 is paused in the wave of 10 %" in page.text(".audit")
    (row,) = page.run(
        "[...document.querySelectorAll('.audit tr')].map(r => r.innerText).filter(t => t.includes('is paused'))"
    )
    assert '"percent"' not in row, "raw lines are shown on demand"
    page.run("void document.querySelectorAll('.audit details').forEach(one => (one.open = true))")
    assert '"percent": 10' in page.text(".audit")


def test_the_map_shows_every_crack_that_has_a_position(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}map")
    page.wait("document.querySelector('#map').dataset.shown")
    assert page.run("document.querySelector('#map').dataset.shown") == str(CRACKS + 1)
    assert "1 of them without a position" in page.text(".above").replace("\n", " ")
    page.go(f"{site.url}map?serial=truck-01&bbox=ignored")
    page.wait("document.querySelector('#map').dataset.shown")
    points = page.run("document.querySelectorAll('#map circle').length")
    assert page.run("document.querySelector('#map').dataset.shown") == "13"
    assert page.run("document.querySelector('#map').dataset.points") == str(points)
    assert not page.errors
    page.go(f"{site.url}map")
    page.run("void (document.querySelector('[name=min_seen_frames]').value = '20')")
    page.click(".filters button")
    page.wait("document.querySelector('#map')?.dataset.shown === '6'")
    assert "min_seen_frames=20" in page.run("document.querySelector('.files a').href")


def test_a_point_tells_about_its_crack_and_a_heap_opens(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}map?serial=truck-01")
    page.wait("document.querySelector('#map').dataset.shown")
    for _ in range(12):
        page.run("void (document.querySelector('#map').dataset.shown = '')")
        single = "[...document.querySelectorAll('#map circle')].find(c => c.textContent === '1 crack')"
        if page.run(f"!!{single}"):
            break
        page.click("#map circle")
        page.wait("document.querySelector('#map').dataset.shown")
    page.run(f"void {single}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")
    page.wait("!document.querySelector('#chosen').hidden")
    text = page.text("#chosen")
    place = (
        "(s => { const b = document.querySelector(s).getBoundingClientRect(); return [b.x, b.y, b.right, b.bottom]; })"
    )
    left, top, right, bottom = page.run(f"{place}('#chosen')")
    outer = page.run(f"{place}('#map')")
    assert outer[0] <= left < right <= outer[2] and outer[1] <= top < bottom <= outer[3]
    assert "truck-01" in text and "2.00 mm (4.0 px)" in text and "± 2 m" in text and "2023-11-14" in text
    assert re.search(r"Seen in\s+\d+ frames?\s", text) and "so far" not in text


def test_an_open_box_follows_its_crack_and_closes_when_it_is_part_of_another(
    site: ConsoleProcess, page: Browser
) -> None:
    store = SqliteStore(site.home / "state" / "detections.sqlite")
    crack = sighting_number(5000, serial="truck-77", latitude_deg=10.0, longitude_deg=20.0, seen_frames=1)
    store.add([crack])
    page.go(f"{site.url}map?serial=truck-77")
    page.wait("document.querySelector('#map circle')")
    page.click("#map circle")
    page.wait("!document.querySelector('#chosen').hidden")
    assert re.search(r"Seen in\s+1 frame so far\s", page.text("#chosen"))
    grown = replace(crack, phase="update", length_mm=75.0, length_px=150.0, seen_frames=9)
    store.add([grown])
    page.wait("document.querySelector('#chosen').innerText.includes('9 frames so far')")
    assert "75.00 mm (150.0 px)" in page.text("#chosen")
    store.add([replace(grown, phase="end", part_of=sighting_number(5001).event_id)])
    page.wait("document.querySelector('#chosen').hidden")
    page.wait("document.querySelectorAll('#map circle').length === 0")
    assert [error for error in page.errors if "404" not in error] == []


def test_the_map_moves_and_zooms(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}map")
    page.wait("document.querySelector('#map').dataset.shown")
    scale = page.text(".scale")
    page.click("#in")
    page.click("#in")
    page.wait(f"document.querySelector('.scale').innerText !== {json.dumps(scale)}")
    page.click("#all")
    page.wait(f"document.querySelector('.scale').innerText === {json.dumps(scale)}")
    page.wait(f"document.querySelector('#map').dataset.shown === '{CRACKS + 1}'")
    page.run("void document.querySelector('#map').focus()")
    for _ in range(30):
        page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    page.wait("document.querySelector('#map').dataset.shown === '0'")


def test_files_are_downloaded(site: ConsoleProcess, page: Browser) -> None:
    page.save_downloads()
    page.go(f"{site.url}map?serial=truck-02")
    page.click(".files a:nth-of-type(1)")
    page.click(".files a:nth-of-type(2)")
    geojson, table = page.downloads / "cracks.geojson", page.downloads / "cracks.csv"
    assert wait_until(lambda: geojson.exists() and table.exists())
    document = json.loads(geojson.read_text())
    assert len(document["features"]) == 13
    assert {feature["properties"]["serial"] for feature in document["features"]} == {"truck-02"}
    with table.open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 13


@pytest.mark.parametrize(
    "path", ["?q=attacker", "devices/attacker", "rollouts", "audit", "map", "map?serial=attacker", "?q=%3Cscript%3E"]
)
def test_what_devices_say_is_text_and_never_code(site: ConsoleProcess, page: Browser, path: str) -> None:
    page.go(f"{site.url}{path}")
    if path.startswith("map"):
        page.wait("document.querySelector('#map').dataset.shown")
    assert page.run("window.taken ?? 0") == 0
    assert page.run("document.querySelectorAll('main img, main script').length") == 0
    if path in ("?q=attacker", "devices/attacker", "rollouts"):
        assert "<script>window.taken = 1</script>" in page.text() and "{{ 7 * 7 }}" in page.text()
    assert not page.errors


def test_a_script_that_got_in_would_not_run(page: Browser) -> None:
    """The page's policy is a second wall: here an attack is put into it, past all escaping."""
    page.run("void document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.taken = 3\">')")
    page.run(
        "void document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.taken = 4'}))"
    )
    assert wait_until(lambda: bool(page.run("1")) and any("Content Security Policy" in error for error in page.errors))
    assert page.run("window.taken ?? 0") == 0


def test_a_crack_that_says_it_is_code_is_text_in_its_box(site: ConsoleProcess, page: Browser) -> None:
    page.go(f"{site.url}map?serial=attacker")
    page.wait("document.querySelector('#map circle')")
    page.click("#map circle")
    page.wait("!document.querySelector('#chosen').hidden")
    assert "<script>window.taken" in page.text("#chosen") and page.run("window.taken ?? 0") == 0


def test_a_small_screen_needs_no_sideways_scrolling(site: ConsoleProcess, page: Browser, tmp_path: Path) -> None:
    page.size(390, 844)
    for path in ("", "devices/truck-00009", "devices/attacker", "rollouts", "audit", "map"):
        page.go(f"{site.url}{path}")
        assert page.run("document.documentElement.scrollWidth") <= 390, path
        wide = "[...document.querySelectorAll('.scroll')].filter(part => part.scrollWidth > part.clientWidth).length"
        assert page.run(wide) == 0, path


def test_nothing_is_asked_of_others(site: ConsoleProcess, page: Browser) -> None:
    for path in ("", "devices/truck-00009", "rollouts", "audit", "map"):
        page.go(f"{site.url}{path}")
        hosts = page.run("performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)")
        assert set(hosts) == {site.url.rstrip("/")}


def test_an_empty_fleet_says_what_to_do(console: ConsoleProcess, browser: Browser) -> None:
    browser.size(1280, 860)
    browser.go(f"{console.url}login")
    browser.fill("#token", console.token)
    browser.follow("button.main")
    assert "No device has been heard yet." in browser.text()
    for path, words in (
        ("rollouts", "No roll-out has begun."),
        ("audit", "Nothing has been done yet."),
        ("map", "No detection has come yet."),
    ):
        browser.go(f"{console.url}{path}")
        assert words in browser.text()

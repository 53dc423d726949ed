"""The page in a real browser: each action, two browsers at once, and a server that comes back."""

from __future__ import annotations

import io
import shutil
import time

import numpy as np
import pytest
import soundfile

import rtaudio as rt
from rtaudio.control.desk import Desk
from rtaudio.control.server import Server
from rtaudio.control.session import Session
from rtaudio.control.set_list import SetList
from rtaudio.preset.load import find_preset

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_MS = 60_000
playwright.expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser():
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no browser to look at pages with (Debian: apt install chromium)")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CONFIG_HOME", "APPDATA"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("settings")))
        presets = SetList(find_preset("bypass"))
        with rt.Host(rt.load_preset("bypass"), "clock") as host:
            desk = Desk(Session(host, presets))
            yield desk
            desk.session.host.stop()


@pytest.fixture(scope="module")
def server(desk):
    with Server(desk, 0) as server:
        yield server


@pytest.fixture
def opened(browser, server, desk):
    """Return a function that opens the page anew; at the end no page may have complained."""
    desk.session.host.swap(rt.Chain([rt.Gain(name="input"), rt.Limiter()], name="two"))
    faults, contexts = [], []

    def open_page(link=server.link, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: said.type == "error" and faults.append(said.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(link)
        page.wait_for_selector("body.ready")
        return page

    yield open_page
    for context in contexts:
        context.close()
    refusals = [fault for fault in faults if "422" not in fault]  # Chromium logs each of them
    assert refusals == []


def dial(page, name="input gain"):
    return page.get_by_role("slider", name=name, exact=True)


def expect(locator):
    return playwright.expect(locator)


def holds(page, expression):
    """Wait until an expression is true; the page itself may evaluate no text."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def value_db(desk):
    return desk.session.host.get("input.gain_db")


def test_a_knob_obeys_pointer_wheel_keys_double_click_and_typing(opened, desk):
    page = opened()
    knob = dial(page)
    box = knob.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 40, steps=4)
    page.mouse.up()
    expect(knob).not_to_have_attribute("aria-valuenow", "0")

    def holds_value():
        return float(knob.get_attribute("aria-valuenow"))

    assert holds_value() > 0
    dragged = holds_value()
    page.mouse.wheel(0, -100)
    assert holds_value() > dragged
    knob.dblclick()
    expect(knob).to_have_attribute("aria-valuenow", "0")
    knob.press("ArrowUp")
    assert holds_value() > 0
    knob.press("End")
    expect(knob).to_have_attribute("aria-valuenow", knob.get_attribute("aria-valuemax"))
    knob.press("Delete")
    expect(knob).to_have_attribute("aria-valuenow", "0")
    knob.press("-")
    page.keyboard.type("4.5 dB")
    page.keyboard.press("Enter")
    expect(knob).to_have_attribute("aria-valuetext", "−4.5 dB")
    other = opened()
    expect(dial(other)).to_have_attribute("aria-valuenow", "-4.5")
    assert value_db(desk) == -4.5


def test_a_typed_value_out_of_range_is_refused_in_words(opened, desk):
    page = opened()
    dial(page).press("9")
    page.keyboard.type("99")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("input gain goes from")
    assert value_db(desk) == 0.0


def test_two_browsers_see_each_others_changes(opened, desk):
    one, two = opened(), opened(viewport={"width": 390, "height": 844})
    dial(one).press("ArrowUp")
    expect(dial(two)).not_to_have_attribute("aria-valuenow", "0")
    two.locator("#pedals .muted").click()
    expect(one.locator("#bar .muted")).to_have_attribute("aria-pressed", "true")
    expect(one.locator("#banner")).to_have_text("Muted")
    assert desk.session.host.muted
    one.keyboard.press("m")
    expect(two.locator("#pedals .muted")).to_have_attribute("aria-pressed", "false")


def test_devices_are_added_moved_bypassed_and_removed(opened, desk):
    page = opened()
    devices = page.locator(".device .names h3")
    page.get_by_role("button", name="Add a device").click()
    page.get_by_label("Search devices").fill("delay")
    page.keyboard.press("Enter")
    expect(devices).to_have_text(["input", "limiter", "delay"])
    page.get_by_role("button", name="Move delay left").click()
    expect(devices).to_have_text(["input", "delay", "limiter"])
    page.locator("[data-name=limiter] .grip").drag_to(page.locator("[data-name=input]"))
    expect(devices).to_have_text(["limiter", "input", "delay"])
    page.get_by_role("button", name="delay on").click()
    expect(page.locator("[data-name=delay]")).to_have_class("device space off")
    page.get_by_role("button", name="Remove delay").click()
    expect(devices).to_have_text(["limiter", "input"])
    page.keyboard.press("Control+z")
    expect(devices).to_have_text(["limiter", "input", "delay"])
    for name in ("delay", "input", "limiter"):
        page.get_by_role("button", name=f"Remove {name}").click()
    expect(page.get_by_role("heading", name="Nothing in the chain")).to_be_visible()


def test_presets_are_searched_opened_saved_and_renamed(opened, desk):
    page = opened()
    page.locator(".preset").click()
    page.get_by_label("Search presets").fill("no such")
    expect(page.get_by_text("No preset is called so.")).to_be_visible()
    page.get_by_label("Name of the new preset").fill("my sound")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".preset").click()
    page.get_by_role("button", name="Rename my sound").click()
    page.get_by_label("New name of my sound").fill("our sound")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Rename our sound")).to_be_visible()
    page.get_by_label("Search presets").fill("bypass")
    page.keyboard.press("Enter")
    expect(page.locator(".preset .name")).to_have_text("bypass")


def test_sides_compare_and_tuner(opened, desk):
    page = opened()
    page.get_by_role("button", name="B", exact=True).click()
    expect(page.get_by_role("button", name="B", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="A", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("b")
    expect(page.locator("#banner")).to_contain_text("Bypassed")
    page.keyboard.press("b")
    time_s = np.arange(48000) / 48000
    desk.session.host.play(0.3 * np.sin(2 * np.pi * 110 * time_s).astype(np.float32))
    page.keyboard.press("t")
    expect(page.locator(".tuner .note")).to_have_text("A2")
    page.get_by_role("button", name="End the tuner").click()
    expect(page.locator(".tuner")).to_be_hidden()
    desk.session.host.play(None)


def test_meters_and_spectra_move(opened, desk):
    page = opened()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48000).astype(np.float32)
    desk.session.host.play(noise)
    holds(page, "Number(document.querySelector('.side.out .meter').ariaValueNow) > -12")
    holds(page, """() => {
        const canvas = document.querySelector('.gram canvas'), pen = canvas.getContext('2d');
        const {data} = pen.getImageData(canvas.width - 6, 0, 5, canvas.height);
        return new Set(data).size > 20;
    }""")  # fmt: skip
    desk.session.host.play(None)
    holds(page, "Number(document.querySelector('.side.out .meter').ariaValueNow) < -50")


def test_a_dropped_impulse_response_plays_and_a_damaged_model_is_refused(opened, tmp_path):
    page = opened()
    file = io.BytesIO()
    soundfile.write(file, 0.9 ** np.arange(480), 48000, format="WAV")
    drop = """([name, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name));
        for (const type of ['dragenter', 'drop'])
            dispatchEvent(new DragEvent(type, {dataTransfer: data}));
    }"""
    page.evaluate(drop, ["room.wav", list(file.getvalue())])
    page.get_by_text("Use it as a cabinet").click()
    expect(page.locator("[data-name=cabinet] .kind")).to_have_text("room")
    page.evaluate(drop, ["amp.nam", list(b"{}")])
    expect(page.get_by_role("alert")).to_contain_text("amp.nam")
    page.evaluate(drop, ["song.pdf", [1]])
    expect(page.get_by_role("alert").last).to_contain_text("cannot be played")


def test_a_file_plays_in_and_the_output_is_recorded(opened, desk):
    page = opened()
    file = io.BytesIO()
    soundfile.write(file, 0.5 * np.sin(np.arange(9600)), 48000, format="WAV")
    sound = {"name": "riff.wav", "mimeType": "audio/wav", "buffer": file.getvalue()}
    page.locator("#status input[type=file]").set_input_files(sound)
    expect(page.get_by_role("button", name="Stop riff.wav")).to_be_visible()
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="End the record").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    samples, _ = soundfile.read(download.value.path())
    assert samples.ndim
    page.get_by_role("button", name="Stop riff.wav").click()
    expect(page.get_by_role("button", name="Play a file")).to_be_visible()


def test_another_block_size_restarts_the_device(opened, desk):
    page = opened()
    page.locator("#status .wide").first.click()
    page.get_by_label("Frames per block").select_option("256")
    page.get_by_role("button", name="Restart with this").click()
    expect(page.locator("#status .wide").first).to_contain_text("256")
    assert desk.session.host.block == 256


def test_push_to_talk_is_held(opened, desk):
    page = opened()
    page.keyboard.press("m")
    hold = page.get_by_role("button", name="Hold to talk")
    hold.hover()
    page.mouse.down()
    expect(page.locator("#banner")).to_have_text("Talking")
    page.mouse.up()
    expect(page.locator("#banner")).to_have_text("Muted")
    page.keyboard.press("m")
    expect(page.locator("#banner")).to_be_hidden()


def test_a_midi_control_is_learnt_by_a_click_on_a_knob(opened, desk, monkeypatch):
    asked = []
    monkeypatch.setattr(desk.session, "learner", asked.append)
    page = opened()
    page.get_by_role("button", name="Learn").click()
    dial(page).click()
    expect(page.locator("rt-knob.waiting .label")).to_have_text("gain")
    assert asked == ["input.gain_db"]
    page.get_by_role("button", name="Learn").click()
    expect(page.locator("rt-knob.waiting")).to_have_count(0)
    assert asked == ["input.gain_db", None]


def test_a_master_shows_its_target_the_input_as_loud_and_the_assistant(opened, desk):
    desk.session.open("master")
    page = opened()
    target = page.get_by_role("combobox", name="Target")
    expect(target).to_have_value("balanced")
    target.select_option("speech")
    other = opened()
    expect(other.get_by_role("combobox", name="Target")).to_have_value("speech")
    for name in ("integrated", "range", "true peak"):
        expect(page.get_by_label(name, exact=True)).to_be_visible()
    page.get_by_role("button", name="Before").first.click()
    expect(page.locator("#banner")).to_have_text("Before, as loud as after")
    page.get_by_role("button", name="Before").first.click()
    for text in ("The assistant listens to the input", ""):
        page.get_by_role("button", name="Assistant", exact=True).click()
        expect(page.locator("#banner")).to_have_text(text)
    dial(page, "intensity mix").press("Home")
    expect(dial(other, "intensity mix")).to_have_attribute("aria-valuenow", "0")
    desk.session.open("bypass")
    expect(target).to_be_hidden()
    expect(page.get_by_role("button", name="Assistant", exact=True)).to_be_hidden()


def test_everything_has_a_name_and_fits_the_screen(opened):
    for width in (1280, 390):
        page = opened(viewport={"width": width, "height": 800})
        unnamed = page.evaluate("""() => [...document.querySelectorAll(
            'button, input, select, [role=slider], [role=meter]')]
            .filter(e => e.offsetParent)
            .filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length))
            .map(e => e.outerHTML)""")
        assert unnamed == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_comes_back_when_the_server_does(opened, desk):
    with Server(desk, 0) as first:
        page = opened(first.link)
        port = first.port
    expect(page.locator("#banner")).to_contain_text("is lost")
    with Server(desk, port) as second:
        assert second.port == port
        expect(page.locator("#banner")).to_be_hidden()
        dial(page).press("ArrowUp")
        expect(dial(page)).not_to_have_attribute("aria-valuenow", "0")
        page.context.close()

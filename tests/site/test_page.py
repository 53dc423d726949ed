"""The page of the site in a real browser, from upload to download."""

from __future__ import annotations

import io
import shutil
import zipfile

import numpy as np
import pytest
import soundfile

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_MS = 300_000
WATCH = """
window.starts = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when) {
  starts.push([when, this.buffer.length, this.buffer.sampleRate]);
  return start.call(this, when);
};
"""
MARKUP = "<img src=x onerror=alert(1)>.wav"
expect = playwright.expect


@pytest.fixture(scope="module")
def browser():
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no browser to look at pages with (Debian: apt install chromium)")
    expect.set_options(timeout=PATIENCE_MS)
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """Return ``opened(link, **options) -> page``; at the end no page may have complained."""
    faults, contexts = [], []

    def open_page(link, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(WATCH)
        page.on("console", lambda said: said.type == "error" and faults.append(said.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(link)
        page.wait_for_selector("body.ready")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [fault for fault in faults if "415" not in fault] == []  # Chromium logs refusals


def five_seconds():
    file = io.BytesIO()
    soundfile.write(file, np.zeros((5 * 44100, 1)), 44100, format="WAV")
    return file.getvalue()


def content_of(download):
    with open(download.path(), "rb") as file:
        return file.read()


def test_from_upload_to_download(serve, program, song, opened, tmp_path, until):
    gate = tmp_path / "gate"
    start = serve(wait=program("wait", gate), copy=program("copy"))
    page = opened(start.link)
    files = [
        {"name": name, "mimeType": "audio/wav", "buffer": content}
        for name, content in (("song.wav", song), ("diary.wav", b"dear diary"), ("empty.wav", b""))
    ]
    page.locator("#files").set_input_files(files)
    page.get_by_label("The copy").check()
    page.locator("#files").set_input_files([{**files[0], "name": MARKUP, "buffer": five_seconds()}])
    expect(page.locator(".upload.fault")).to_have_count(2)
    expect(page.locator(".upload.fault", has_text="empty.wav: is empty")).to_be_visible()
    one, two = (page.get_by_role("article", name=name) for name in ("song.wav", MARKUP))
    expect(one.get_by_role("progressbar")).to_have_attribute("value", "0.4")
    expect(one).to_contain_text("40 %")
    expect(two).to_contain_text("1st in the queue")
    gate.touch()
    expect(two).to_contain_text("2 stems")
    two.get_by_role("button", name="Stems of").press("Enter")
    expect(two.locator(".wave")).to_have_count(2)
    name = two.get_by_role("heading")
    for shown in (False, True):
        name.click()
        expect(two.locator(".wave").first).to_be_visible(visible=shown)
    with page.expect_download() as one_stem:
        two.get_by_role("link", name="Download vocals").click()
    assert one_stem.value.suggested_filename == "-img src=x onerror=alert(1)- - vocals.wav"
    assert soundfile.info(one_stem.value.path()).duration == 5.0
    with page.expect_download() as all_stems:
        two.get_by_role("link", name="Download all stems").click()
    archive = zipfile.ZipFile(io.BytesIO(content_of(all_stems.value)))
    assert len(archive.namelist()) == 2

    # It plays, by one clock; switches and the keyboard work.
    two.get_by_role("button", name="mute vocals").click()
    expect(two.get_by_role("group", name="vocals")).to_have_class("stem silent")
    two.get_by_role("button", name="solo vocals").click()
    expect(two.get_by_role("group", name="other")).to_have_class("stem silent")
    two.get_by_role("slider", name="Volume of other").press("Home")
    expect(two.get_by_role("slider", name="Volume of other")).to_have_attribute(
        "aria-valuetext", "silent"
    )
    two.get_by_role("button", name="Play").click()
    expect(two.get_by_role("button", name="Pause")).to_be_visible()
    until(lambda: len(page.evaluate("starts")) == 4)
    first, *others = [(round(when * rate), n) for when, n, rate in page.evaluate("starts")]
    rest = first[0] + 4 * 44100, 44100  # the second piece follows the first without a gap
    assert (first[1], others) == (4 * 44100, [first, rest, rest])
    seek = two.get_by_role("slider", name="Position")
    seek.press("End")
    expect(two.get_by_role("button", name="Play")).to_be_visible()
    seek.press("PageUp")
    expect(seek).to_have_attribute("aria-valuetext", "0 seconds of 5 seconds")

    # The link shows one song to somebody else, who may not remove it.
    token = page.evaluate("fetch('/api/jobs').then(answer => answer.json())")[0]["token"]
    other = opened(f"{start.link}#{token}", viewport={"width": 390, "height": 844})
    expect(other.get_by_role("article")).to_have_count(1)
    expect(other.get_by_role("button", name="Remove")).to_have_count(0)
    expect(other.locator(".wave")).to_have_count(2)
    assert other.evaluate("document.documentElement.scrollWidth") == 390
    two.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("article")).to_have_count(1)
    one.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No songs yet")).to_be_visible()

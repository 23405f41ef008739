"""Debian's Chromium without a window, driven as a visitor of the console drives a browser.

It reaches loopback alone; with scripts off it runs none of a page's. Nothing here knows a page.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from tests.process.support import until

WIDTHS = (1280, 400)
FIRST_PAGES = ("Overview", "Ask about an identifier")
MOST_TABS = 300
"""Tab stops of one page that are walked through at most."""
_PAGE_IS_GONE = "does not belong to the document"
"""What chromedriver says, for a stale element, when the page goes while its text is read."""
_OFF_PAGE = "data:text/html,<p id=x>off</p><script>x.textContent='on'</script>"
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root, and visit pages of their own nodes alone
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, driver: Chrome, base: str) -> None:
        self.driver = driver
        self.base = base

    def open(self, path: str) -> None:
        """Load a page of the node."""
        self.driver.get(self.base + path)

    @property
    def path(self) -> str:
        """Where the browser is, without the node."""
        return str(self.driver.current_url).removeprefix(self.base)

    @property
    def heading(self) -> str:
        """The page's first heading."""
        return self._read("h1")

    @property
    def text(self) -> str:
        """What the main part of the page says."""
        return self._read("main")

    def _read(self, tag: str) -> str:
        """Text of the first element with a tag; of the next page where one is on its way."""
        while True:
            try:
                return self.driver.find_element(By.TAG_NAME, tag).text
            except (StaleElementReferenceException, NoSuchElementException):
                pass
            except WebDriverException as error:
                if _PAGE_IS_GONE not in (error.msg or ""):
                    raise
            until(lambda: self.driver.find_elements(By.TAG_NAME, tag), f"a page with <{tag}>")

    def login(self, key: str) -> None:
        """Type a key into the form and send it with the keyboard."""
        self.open("/console")
        until(lambda: self.path.startswith("/console/login"), "the log-in page")
        self.driver.find_element(By.ID, "key").send_keys(key, Keys.ENTER)
        until(lambda: self.heading in FIRST_PAGES, "the first page of the role")

    def link(self, text: str, within: str = "main") -> WebElement:
        """The first link with this text in a part of the page."""
        place = self.driver.find_element(By.CSS_SELECTOR, within)
        return place.find_element(By.LINK_TEXT, text)

    def follow(self, text: str, within: str = "main") -> str:
        """Click a link; the path that it leads to."""
        before = self.driver.current_url
        self.link(text, within).click()
        until(lambda: self.driver.current_url != before, f"the link {text} leads somewhere")
        return self.path

    def follow_with_keys(self, text: str, within: str = "main") -> str:
        """Reach a link with the Tab key and press Enter; the path that it leads to."""
        before, wanted = self.driver.current_url, self.link(text, within)
        for _ in range(MOST_TABS):
            self.driver.switch_to.active_element.send_keys(Keys.TAB)
            if self.driver.switch_to.active_element == wanted:
                break
        else:
            raise AssertionError(f"the Tab key does not reach {text!r} on {before}")
        self.driver.switch_to.active_element.send_keys(Keys.ENTER)
        until(lambda: self.driver.current_url != before, f"Enter on {text} leads somewhere")
        return self.path

    def fill(self, form: str = "form", **fields: str) -> None:
        """Type into the fields of a form, choose from its lists, tick its boxes."""
        for name, text in fields.items():
            identity = name if form == "form" else f"{form}-{name}"
            field = self.driver.find_element(By.ID, identity)
            if field.tag_name == "select":
                Select(field).select_by_value(text)
            elif field.get_attribute("type") == "checkbox":
                field.click()
            else:
                if field.get_attribute("type") != "file":
                    field.clear()
                field.send_keys(text)

    def send(self, form: str = "form") -> str:
        """Press a form's button; the path of the page that comes.

        A button of what can not be undone shows after a click on the heading above it.
        """
        old = self.driver.find_element(By.TAG_NAME, "html")
        button = self.driver.find_element(By.CSS_SELECTOR, f"form#{form} > button")
        if not button.is_displayed():
            place = button.find_element(By.XPATH, "ancestor::details[1]/summary")
            place.click()
        button.click()
        until(lambda: self._is_gone(old), f"the form {form} leads to a page")
        until(lambda: self.driver.find_elements(By.TAG_NAME, "h1"), "a page with a heading")
        return self.path

    def _is_gone(self, element: WebElement) -> bool:
        try:
            element.is_enabled()
        except (StaleElementReferenceException, NoSuchElementException):
            return True
        except WebDriverException as error:
            if _PAGE_IS_GONE not in (error.msg or ""):
                raise
            return True
        return False

    def search(self, text: str) -> None:
        """Type into the search box and press Enter."""
        box = self.driver.find_element(By.ID, "q")
        box.clear()
        box.send_keys(text, Keys.ENTER)

    def links(self) -> list[str]:
        """Paths of all links on the page, without their fragments."""
        found = self.driver.find_elements(By.CSS_SELECTOR, "a[href]")
        paths = [(each.get_attribute("href") or "").removeprefix(self.base) for each in found]
        return [path for path in paths if path.startswith("/console")]

    def runs_scripts(self) -> bool:
        """Whether a page's own script is run."""
        self.driver.get(_OFF_PAGE)
        return self.driver.find_element(By.ID, "x").text == "on"

    # What needs scripts of the test's own

    def show_at(self, width: int, *, dark: bool = False) -> None:
        """Make the window as wide as a device, and ask for light or dark colours."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def width(self) -> int:
        """Width of the page's content in CSS pixels; over the window's the page scrolls."""
        return int(self.driver.execute_script("return document.documentElement.scrollWidth"))

    def save(self, file: Path) -> None:
        """A screenshot of the whole page."""
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        shown = {"width": size["width"], "height": min(size["height"], 4_000), "mobile": False}
        override = {**shown, "deviceScaleFactor": 1}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", override)
        assert self.driver.save_screenshot(str(file))

    def faults(self) -> list[str]:
        """What axe finds on the page that is serious or critical."""
        script = (files("axe_core_python") / "axe.min.js").read_text("utf-8")
        self.driver.execute_script(script)
        found: dict[str, Any] = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document).then(done, error => done({failed: String(error)}));"
        )
        assert "failed" not in found, found
        assert found["passes"], "axe looked at nothing"
        return [
            f"{fault['id']} ({fault['impact']}): {node['html'][:200]} {node['failureSummary']}"
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]

    def tab_stops(self, most: int) -> Iterator[tuple[str, str]]:
        """(what it is, its outline) of what the Tab key reaches from the top of the page."""
        self.driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        for _ in range(most):
            self.driver.switch_to.active_element.send_keys(Keys.TAB)
            found = self.driver.switch_to.active_element
            if found.tag_name == "body":
                return
            yield f"{found.tag_name} {found.text[:40]}", found.value_of_css_property("outline")


@contextmanager
def browsing(base: str, profile: Path, *, scripts: bool = True) -> Iterator[Browser]:
    """A browser for one node; `make tools` installs it."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium and driver, "chromium and chromedriver are missing: run `make tools`"
    os.environ["SE_OFFLINE"] = "true"
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if not scripts:
        blocked = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", blocked)
    started = Chrome(options=options, service=ChromeService(driver))
    try:
        started.set_page_load_timeout(60)
        started.set_script_timeout(60)
        yield Browser(started, base)
    finally:
        started.quit()

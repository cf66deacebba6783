#!/usr/bin/env python3
"""Checks the status page of a running daemon in a browser.

Opens the page at three widths, in light and in dark, and fails if

- it lacks a project, a number or a landmark that `/status.json` implies,
- the browser reports an error, a blocked resource or a failed request,
- something is wider than the window,
- the keyboard cannot reach a link, a year or a wide table, or the focus is not visible,
- axe-core finds a violation, with all parts of the page opened.

Needs Chromium (Debian's package `chromium`), Python 3.10 or newer, and the packages of requirements.txt:

    pip install -r tests/browser/requirements.txt
    python tests/browser/status_page.py http://127.0.0.1:8642/ --screenshots /tmp/screenshots

Prints one line for each window and ends with 1 if a check failed.
"""

import argparse
import os
import pathlib
import re
import shutil
import sys

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = (360, 768, 1280)
SCHEMES = ("light", "dark")
TAB_STOPS_MAX = 300


class Findings:
    """The failed checks of one window."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def expect(self, is_right: bool, text: str) -> None:
        if not is_right:
            self.texts.append(text)


def main() -> int:
    options = arguments()
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    failed = 0
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=options.chromium, args=flags)
        for width in WIDTHS:
            for scheme in SCHEMES:
                findings = check(browser, options, width, scheme)
                print(f"{width} px, {scheme}: {'failed' if findings.texts else 'ok'}")
                for text in findings.texts:
                    print(f"  {text}")
                failed += len(findings.texts)
        browser.close()
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Checks the status page in a browser.")
    parser.add_argument("url", help="address of the page, such as http://127.0.0.1:8642/")
    parser.add_argument("--screenshots", type=pathlib.Path, metavar="DIR", help="store screenshots there")
    parser.add_argument("--chromium", default=shutil.which("chromium"), metavar="PATH", help="the browser")
    parser.add_argument("--name", default="status", help="first part of the names of screenshots")
    options = parser.parse_args()
    if not options.chromium:
        parser.error("chromium is not installed; install it, or use --chromium")
    return options


def check(browser: Browser, options: argparse.Namespace, width: int, scheme: str) -> Findings:
    findings = Findings()
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.on("console", lambda it: findings.expect(it.type not in ("error", "warning"), f"console: {it.text}"))
    page.on("pageerror", lambda error: findings.expect(False, f"script error: {error}"))
    page.on("requestfailed", lambda request: findings.expect(False, f"request failed: {request.url}"))
    page.on("response", lambda response: findings.expect(response.status < 400, f"{response.status}: {response.url}"))
    response = page.goto(options.url, wait_until="networkidle")
    if response is None:
        findings.expect(False, "the page cannot be opened")
        return findings

    check_headers(findings, response.headers)
    check_content(findings, page, options.url)
    check_width(findings, page, "as opened")
    if options.screenshots:
        store(page, options, f"{width}-{scheme}")
    check_keyboard(findings, page)
    check_calendar(findings, page)
    page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true })")
    check_width(findings, page, "with all parts opened")
    check_axe(findings, page)
    if options.screenshots:
        store(page, options, f"{width}-{scheme}-opened")
    context.close()
    return findings


def store(page: Page, options: argparse.Namespace, name: str) -> None:
    page.screenshot(path=options.screenshots / f"{options.name}-{name}.png", full_page=True)


def check_headers(findings: Findings, headers: dict[str, str]) -> None:
    policy = headers.get("content-security-policy", "")
    findings.expect("default-src 'none'" in policy, f"content security policy: {policy!r}")
    findings.expect("unsafe" not in policy, f"content security policy: {policy!r}")
    findings.expect(headers.get("content-type") == "text/html; charset=utf-8", "not HTML in UTF-8")


def check_content(findings: Findings, page: Page, url: str) -> None:
    """Compares the page with `/status.json`."""
    findings.expect(page.title().endswith("argos-sync"), f"title: {page.title()!r}")
    for selector in ("h1", "main", "body > header", "body > footer", "#verdict"):
        findings.expect(page.locator(selector).count() == 1, f"not exactly one {selector}")
    findings.expect(page.locator("script").count() == 0, "there is a script")
    response = page.request.get(re.sub(r"[^/]*$", "", url) + "status.json")
    if response.status == 503:
        findings.expect(page.locator("section.card").count() == 0, "a project before the first state")
        return
    state = response.json()
    for project in state["projects"]:
        section = page.locator(f"section[aria-labelledby='{project['project']}']")
        findings.expect(section.count() == 1, f"no section of {project['project']}")
        if section.count() != 1:
            continue
        text = section.inner_text()
        for title in ("Newest data", "Oldest data", "Pending work", "Checks of the data", "Calls today"):
            findings.expect(title in text, f"{project['project']}: no {title!r}")
        findings.expect(f"{project['records']:,}" in text, f"{project['project']}: the number of records is missing")
        days = section.locator("table.days td[class]")
        findings.expect(days.count() > 0, f"{project['project']}: no calendar")
        texts = [text for text in days.all_text_contents() if not re.match(r"\d{4}-\d\d-\d\d: \w", text)]
        findings.expect(not texts, f"{project['project']}: days without text: {texts[:3]}")
    for warning in page.locator(".warnings > li").all():
        findings.expect(warning.locator("code").count() > 0, f"no command: {warning.inner_text()!r}")


def check_width(findings: Findings, page: Page, when: str) -> None:
    widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    findings.expect(widths[0] <= widths[1], f"{when}: {widths[0]} px wide in a window of {widths[1]} px")


def check_keyboard(findings: Findings, page: Page) -> None:
    """Presses Tab until the focus has left the page, and compares the stops with the elements that need one."""
    script = """() => {
        const it = document.activeElement;
        if (!it || it === document.body) return null;
        const style = getComputedStyle(it);
        return { place: [...document.querySelectorAll('*')].indexOf(it), tag: it.tagName.toLowerCase(),
                 isVisible: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
    }"""
    reached = {}
    for _ in range(TAB_STOPS_MAX):
        page.keyboard.press("Tab")
        stop = page.evaluate(script)
        if stop is None or stop["place"] in reached:
            break
        reached[stop["place"]] = stop
    for stop in reached.values():
        findings.expect(stop["isVisible"], f"the focus of a {stop['tag']} is not visible")
    needed = page.evaluate("""() => {
        const all = [...document.querySelectorAll('*')];
        const isWide = it => getComputedStyle(it).overflowX === 'auto' && it.scrollWidth > it.clientWidth;
        const isShown = it => it.checkVisibility();
        const needs = it => it.matches('a[href], summary') || isWide(it);
        return all.map((it, place) => [it, place]).filter(([it]) => isShown(it) && needs(it))
            .map(([it, place]) => [place, it.tagName.toLowerCase() + ' ' + it.textContent.trim().slice(0, 40)]);
    }""")
    for place, text in needed:
        findings.expect(place in reached, f"the keyboard does not reach: {text!r}")
    summary = page.locator("summary")
    if summary.count():
        last = summary.last
        last.focus()
        before = last.evaluate("it => it.parentElement.open")
        page.keyboard.press("Enter")
        findings.expect(last.evaluate("it => it.parentElement.open") != before, "Enter opens no part of the page")
        page.keyboard.press("Enter")


def check_calendar(findings: Findings, page: Page) -> None:
    """A day under the pointer shows its text, and the newest week is in view."""
    day = page.locator("details[open] table.days td[class]").last
    if day.count() == 0:
        return
    day.scroll_into_view_if_needed()
    day.hover()
    text = day.locator("span").bounding_box()
    findings.expect(text is not None and text["width"] > 50, "a day under the pointer shows no text")
    if text is not None:
        right = text["x"] + text["width"]
        findings.expect(right <= page.viewport_size["width"], "the text of a day is wider than the window")
    page.mouse.move(0, 0)


def check_axe(findings: Findings, page: Page) -> None:
    for violation in Axe().run(page).response["violations"]:
        places = [target for node in violation["nodes"][:3] for target in node["target"]]
        findings.expect(False, f"axe: {violation['id']} ({violation['impact']}): {violation['help']}: {places}")


if __name__ == "__main__":
    sys.exit(main())

"""A learner predicts by keyboard alone."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELL = """
import neurolens_widgets as nw
guess = nw.Prediction("keys", "How many of 100 cats will be taken for dogs?", ["few", "half", "most"])
guess
"""


def test_tab_and_space_choose_and_the_guess_is_kept(run_cells, screenshots):
    notebook = run_cells("guess", CELL)
    page, card = notebook.page, notebook.page.locator(".nl-prediction")
    radios = card.get_by_role("radiogroup", name="How many of 100 cats").get_by_role("radio")
    expect(radios).to_have_count(3)
    radios.first.focus()
    page.keyboard.press("Space")
    expect(radios.nth(0)).to_be_checked()
    page.keyboard.press("Tab")
    expect(radios.nth(1)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(radios.nth(2)).to_be_checked()
    expect(radios.nth(0)).not_to_be_checked()
    expect(card).to_contain_text("Kept; you will meet it again")
    assert notebook.python("print(guess.guess)").strip() == "most"
    notebook.python("guess.reveal('half', '51 of 100')")
    expect(card).to_contain_text("Not what you predicted")
    page.mouse.move(0, 0)
    radios.first.evaluate("() => document.activeElement.blur()")
    card.screenshot(path=screenshots / "prediction.png")
    assert notebook.complaints == []

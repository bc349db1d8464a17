"""The dashboard's script: `fraud dashboard` has Streamlit run it once for every look at a page."""

from pathlib import Path

import streamlit as st

from dashboard import page
from dashboard.handover import received
from dashboard.views import health, live

_ICON = Path(__file__).parent / "static" / "icon.svg"


def main() -> None:
    """Draw the page that the URL names."""
    st.set_page_config(page_title="fraudstream", page_icon=str(_ICON), layout="wide", menu_items={})
    page.style()
    page.banner(received().banner)
    views = [
        st.Page(live.show, title="Live", url_path="live", default=True),
        st.Page(health.show, title="Health", url_path="health"),
    ]
    st.navigation(views, position="top").run()


main()

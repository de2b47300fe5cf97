"""A tool of our own; `my_tools.search_tickets` in agents.yaml names it."""

from crewai.tools import tool

_TICKETS = {
    "T-12": "The export stops after 10,000 rows.",
    "T-31": "Invoices show the old address.",
}


@tool
def search_tickets(word: str) -> str:
    """Search the tickets for a word; the answer has one ticket in each line."""
    found = [
        f"{number}: {text}"
        for number, text in _TICKETS.items()
        if word.lower() in text.lower()
    ]
    return "\n".join(found) or "No ticket has this word."

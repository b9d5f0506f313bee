"""Results for people: `text` for the terminal, `page` for one self-contained HTML file, `figures` for its pictures."""

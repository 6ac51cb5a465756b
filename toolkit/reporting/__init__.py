"""From tidy frames to reports that a panel can read: blocks, tables, figures, HTML, index page."""

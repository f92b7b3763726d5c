"""What a continuous integration's pages show of a run: JUnit XML and Markdown."""

"""Annotation files of every known format, read into a table of people; a format a file."""

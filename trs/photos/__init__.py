"""Poses in photos and videos that belong to no dataset: finding the files, predicting, drawing and writing."""

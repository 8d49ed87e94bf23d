"""All problems of a dataset at once, before a GPU hour is spent on it.

What a training would refuse is found here too, by the same code, and beside it what no training can know: images that
are in training and in validation, boxes that leave their images, images whose frame nobody declares.
"""

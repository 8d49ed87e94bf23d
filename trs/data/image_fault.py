"""What is wrong with an image, told by those who do not know its name."""


class ImageFault(ValueError):
    """An image that cannot be used; the message continues a sentence that begins with the file's name."""

"""Loading and writing of images: target images, conversion of pixels, PNG files."""

"""Streams with known truth, generated; shipped so that a plug-in's author can test against them."""

from tidegauge.testing.product import DIMENSION, NEW_TOPIC, WEEKS, Product, Truth

__all__ = ["DIMENSION", "NEW_TOPIC", "WEEKS", "Product", "Truth"]

"""Bundles: many variants of one config, run by chunk jobs. One verb a module."""

"""Whole jobs: a recipe or a saved model goes in, a typed result comes out. One file a job or a part of one."""

"""Runs Pods until enough have succeeded: policies, indexes and judgement as pure modules, one controller."""

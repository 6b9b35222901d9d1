"""The expression language of policies and CRD rules.

Law: pure; imports apimachinery only.
"""

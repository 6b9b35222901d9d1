"""Who has which cluster IP and which node port.

What is in use is learnt from the stored Services when it is first asked for, and followed from then on.
"""

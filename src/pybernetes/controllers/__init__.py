"""The loops that make the world as the objects say, one file each.

Law: a controller reads its informers and writes through the API; it never imports a sibling.
"""

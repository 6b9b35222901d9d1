"""The volumes of pods: what is in them, how it gets onto the disk, how it stays up to date.

Law: `content` says what files a volume has and touches nothing; only `mounts` speaks to the kernel.
"""

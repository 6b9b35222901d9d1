"""The filters every request passes, one file each; `pipeline.py` lists them in order."""

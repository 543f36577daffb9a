"""The backend `text_to_image_api`: read `backend` first, then `asking`; `ledger` is where the money is counted."""

from lungeval.backends.text_to_image_api.backend import TextToImageBackend

__all__ = ["TextToImageBackend"]

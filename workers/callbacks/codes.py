"""The meanings of the provider's codes. Its two hosts do not agree on all of them."""

_MEANINGS = {
    200: "success",
    400: "parameter error, content or copyright violation, or invalid source audio",
    401: "the provider's API key is invalid",
    402: "out of credits",
    404: "the provider does not know the address that was asked",
    405: "called too often",
    408: "limit exceeded or timed out",
    413: "the uploaded audio matches an existing work",
    422: "the provider refused the parameters",
    429: "out of credits, or called too often: the provider's two hosts differ",
    430: "called too often",
    433: "the usage limit of the API key is reached",
    451: "the provider could not download the source files",
    455: "the provider is under maintenance",
    500: "provider error",
    501: "generation failed",
    505: "provider error, or the feature is switched off: the provider's two hosts differ",
    531: "generation failed, credits refunded, try again",
}


def meaning_of(code: int | None) -> str:
    """Put a callback's code into words."""
    if code is None:
        return "the callback has no usable code"
    return _MEANINGS.get(code, f"code {code}, which the provider does not document")

"""The OASIS parser and validator (``stix2-patterns``): the oracle of the tests, and a second opinion in production.

Imported only when asked for: ANTLR and its tables cost a tenth of a second and some 20 MB.
"""

from typing import Final

#: Characters. ANTLR reads about 100,000 a second of a good pattern; longer ones that our parser refuses are refused.
OPINION_LENGTH: Final = 4_096
GAVE_UP: Final = "the grammar accepts it, and the OASIS validator died"


def refusals(text: str, limit: int = OPINION_LENGTH) -> list[str]:
    """What OASIS has against the pattern; nothing when it accepts it.

    1. The length is checked. 2. The grammar reads the text and stops at its first error: reading on, as the OASIS
    validator does, costs the square of the length of a text full of unclosed quotes. 3. The validator runs.

    Where the validator dies of its own bugs, as on ``a:b[-1]`` and ``x:hashes[0]``, which its grammar allows, the
    answer begins with ``GAVE_UP``: no opinion, so no acceptance. (``stix2patterns.validator`` adds a check for a
    leading square bracket, which is left out here: it refuses a leading comment and dies on the empty text.)
    """
    if len(text) > limit:
        return [f"the pattern has {len(text)} characters; the OASIS parser is asked up to {limit}"]
    from antlr4 import BailErrorStrategy, CommonTokenStream, InputStream  # type: ignore[import-untyped]
    from antlr4.error.Errors import ParseCancellationException  # type: ignore[import-untyped]
    from stix2patterns.v21.grammars.STIXPatternLexer import STIXPatternLexer
    from stix2patterns.v21.grammars.STIXPatternParser import STIXPatternParser
    from stix2patterns.v21.validator import run_validator

    lexer = STIXPatternLexer(InputStream(text))
    lexer.removeErrorListeners()
    parser = STIXPatternParser(CommonTokenStream(lexer))
    parser.removeErrorListeners()
    strategy = BailErrorStrategy()
    strategy.reportError = lambda recognizer, error: None  # its message would read the text to its end
    parser._errHandler = strategy
    try:
        parser.pattern()
    except ParseCancellationException:
        token = parser.getCurrentToken()
        return [f"line {token.line}, column {token.column + 1}: the OASIS grammar stops here"]
    except RecursionError:
        return ["the pattern is nested too deeply for the OASIS parser"]
    try:
        return [str(message) for message in run_validator(InputStream(text))]
    except (AttributeError, RecursionError, ValueError) as error:
        return [f"{GAVE_UP}: {error}"]

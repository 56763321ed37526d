"""Only numbers are numbers in a scenario, and only true and false are either."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic_core import PydanticKnownError, core_schema


def _whole(value: Any) -> Any:
    if isinstance(value, bool | np.bool_ | str | bytes):
        raise PydanticKnownError("int_type")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool | np.bool_ | str | bytes):
        raise PydanticKnownError("float_type")
    return value


NO_NUMBER = {"int": _whole, "float": _number}


def strict(schema: Any) -> Any:
    """A schema of pydantic whose numbers take no texts and no booleans, and whose booleans take nothing else.

    Whole numbers may still stand for others, and 3.0 for 3: pydantic's own strict mode would also refuse lists for
    tuples, and texts for paths.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(strict(part) for part in schema)
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if kind == "bool":
        return {**schema, "strict": True}
    if kind in ("int", "float"):
        return core_schema.no_info_before_validator_function(NO_NUMBER[kind], schema)
    if kind == "function-before" and schema["function"].get("function") in NO_NUMBER.values():
        return schema
    return {key: strict(part) for key, part in schema.items()}

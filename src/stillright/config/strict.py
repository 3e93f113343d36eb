"""Strict, frozen models of what users write, read from YAML; errors name the nearest key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, field_validator

from stillright.errors import ConfigError, cut, did_you_mean


class Strict(BaseModel):
    """A mapping whose unknown keys are errors; its numbers are finite, and not true or false, pydantic's 1 and 0."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_flags_as_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        if any(isinstance(each, bool) for each in (value if isinstance(value, list) else [value])):
            kinds = _kinds_in(cls.model_fields[info.field_name or ""].annotation)
            if bool not in kinds and not kinds.isdisjoint((int, float)):
                raise ValueError(PLAIN["float_type" if float in kinds else "int_type"])
        return value


def _kinds_in(annotation: Any) -> set[Any]:
    """X and Y of X, Annotated[X, ...] and X | Y."""
    inner = get_args(annotation)
    return set().union(*map(_kinds_in, inner)) if inner else {annotation} if isinstance(annotation, type) else set()


class _Loader(yaml.SafeLoader):
    """YAML's plain types, texts that can be written, and no key twice in a mapping: one would be lost silently."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and LONE_SURROGATE.search(value):
            raise yaml.constructor.ConstructorError(
                None, None, "half a character, such as \\ud83d without \\ude00", node.start_mark
            )
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<")
        twice = next((key for key, count in keys.items() if count > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _not_empty(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty, which would be the current folder; give a path")
    return value


GivenPath = Annotated[Path, BeforeValidator(_not_empty)]
Model = TypeVar("Model", bound=BaseModel)
YAML_BYTES = 2**20
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
PLAIN = {  # pydantic's own messages are about Python's types
    "tuple_type": "should be a list",
    "model_type": "should be a mapping of keys to values",
    "dict_type": "should be a mapping of keys to values",
    "string_type": "should be text",
    "float_type": "should be a number",
    "int_type": "should be a whole number",
    "finite_number": "should be a finite number",
}


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ConfigError if there is none."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(YAML_BYTES + 1)
        if len(data) > YAML_BYTES:
            raise ConfigError(f"{path}: more than {YAML_BYTES:,} bytes; settings are shorter, so give another file")
        value = parse_yaml(data.decode("utf-8"), str(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file (looked from {Path.cwd()})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; re-encode the file as UTF-8") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: holds no keys; expected a mapping of keys to values")
    return value


def parse_yaml(text: str, source: str) -> Any:
    """The value that YAML spells. Raises ConfigError naming `source` if it is none, or nested too deeply."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise ConfigError(f"{source}: YAML nested too deeply; flatten it") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:  # of a tag that does not fit
        raise ConfigError(f"{source}: not YAML: {cut(error)}; quote what is text") from None


def parse(model: type[Model], values: Mapping[str, Any], source: str) -> Model:
    """The `model` that `values` describe. Raises ConfigError naming `source`, the key and the rule."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{source}: {_describe(model, error)}") from None


def _describe(model: type[BaseModel], error: ValidationError) -> str:
    # a misspelt key is also a missing one
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("("))  # a kind of value, no key
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(model, first['loc'])}"
    if first["type"] == "missing":
        return f"the key {key!r} is missing"
    message = PLAIN.get(first["type"], first["msg"].removeprefix("Value error, ").removeprefix("Input "))
    given = first["input"]
    if first["type"] == "literal_error":
        hint = did_you_mean(str(given), re.findall("'([^']+)'", message))
        message += f"; {hint}" if hint else ""
    if isinstance(given, str):
        given = re.sub("//[^/@]*@", "//***@", given)  # the password in an address
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{key}: {message}{shown}" if key else message


def _nearest(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    for part in location[:-1]:  # numbers in lists and names in mappings lead no further
        if field := model.model_fields.get(str(part)):
            model = _model_in(field.annotation) or model
    known = list(model.model_fields)
    return f"; {did_you_mean(str(location[-1]), known, cutoff=0.5) or 'known here: ' + ', '.join(known)}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """M of M, Annotated[M, ...], list[M], tuple[M, ...] and dict[str, M]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)

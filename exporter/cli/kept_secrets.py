"""Secrets in files of configuration, YAML or JSON: found by where they stand, and taken out so that
the rest stays what it was.
"""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from exporter.cli.redaction import REDACTED, names_secret
from exporter.settings import SettingsError
from exporter.settings.billing_yml import Config
from exporter.settings.strict_yaml import Document

_HISTORY_PATH = "/api/webhooks/alertmanager"
# What is below them are the paths of files with secrets.
_PATHS = frozenset({"secret_files"})
# What is below them is secret whatever its name.
_SECRET_DATA = frozenset({"data", "stringData"})
_ALL_SECRET = frozenset({"secureJsonData"})
# Where Kubernetes calls something else a key, and Alertmanager compares labels.
_REFERENCES = frozenset(
    {"secretKeyRef", "configMapKeyRef", "items", "tolerations", "matchExpressions", "matchers"}
)
_ADDRESS = re.compile(r"(?:^|_)(?:api_)?urls?$")
# Whose addresses hold tokens.
_POSTED_TO = frozenset(
    f"{way}_configs"
    for way in ("webhook", "slack", "msteams", "msteamsv2", "discord", "incidentio", "mattermost")
) | {"rocketchat_configs"}
_NO_SECRET = re.compile(r"(?:_files?|secret_?names?|\.(?:ya?ml|json|tmpl))$", re.IGNORECASE)
# A number below a name that ends otherwise is how many or how long.
_MAY_BE_NUMBER = re.compile(
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|key|credentials?)$", re.IGNORECASE
)
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_NEVER = frozenset({"tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"})
_ANCHOR = re.compile(r"(?:[&!]\S*\s+)*?(&\S+\s+)")
_COMMENT = re.compile(r"(?m)(?:^|(?<=[ \t]))#.*$")
# What Compose or Grafana put a secret in place of.
_ELSEWHERE = re.compile(r"\$\{\w+\}|\$__\w+\{[\w./-]+\}")
_PARAMETER = re.compile(r"([?&;]([\w.-]+)=)([^&#\s\"'<>]+)")
_OPTION = re.compile(r"(-{0,2}([\w.-]+)=)(?![=~])(.+)", re.DOTALL)
# A name and its value on a line of their own, or within braces or quotes.
_LINE = re.compile(r"(?m)^(\W*(?:export\s+)?([\w.-]+)[\"']?\s*[:=]\s*)(?![=~])(\S.*)$")
_INNER = re.compile(r"([{,\"']\s*([\w.-]+)[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s,}\]]+)")
_WORD = re.compile(r"[\w./-]+")
_Mark = tuple[int, int]
Clean = Callable[[str], str]


def redact(text: str, clean: Clean) -> str:
    """YAML or JSON without secrets: what `clean` knows, what stands where secrets do, also in
    comments, and in texts within it. Raises yaml.YAMLError for what can't be read.
    """
    look = _Look(text, clean, by_name=not _is_billing_yml(text))
    for node in yaml.compose_all(text):
        look.read(node)
    for match in _COMMENT.finditer(text):
        if not any(begin <= match.start() < end for begin, end in look.scalars):
            cleaned = _redact_lines(match[0])
            if cleaned != match[0]:
                look.edits[match.span()] = cleaned
    for (begin, end), new in sorted(look.edits.items(), reverse=True):
        text = text[:begin] + new + text[end:]
    return clean(text)


@dataclass
class _Look:
    """One text, and what is to be put in place of parts of it. Names mean nothing unless
    `by_name`.
    """

    text: str
    clean: Clean
    by_name: bool
    edits: dict[_Mark, str] = field(default_factory=dict)
    scalars: set[_Mark] = field(default_factory=set)
    seen: set[tuple[int, str, str, bool]] = field(default_factory=set)

    def read(
        self, node: yaml.Node | None, name: str = "", under: str = "", *, secret: bool = False
    ) -> None:
        """A node below a name, which itself is below another; `secret` if all of it is."""
        # An alias is its anchor's node once more, and may lie within it.
        if node is None or (id(node), name, under, secret) in self.seen:
            return
        self.seen.add((id(node), name, under, secret))
        if isinstance(node, yaml.ScalarNode):
            self._read_scalar(node, name, under, secret=secret)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self.read(item, name, under, secret=secret)
        elif isinstance(node, yaml.MappingNode):
            self._read_mapping(node, name, secret=secret)

    def _read_mapping(self, node: yaml.MappingNode, name: str, *, secret: bool) -> None:
        plain = {
            key.value: value.value
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
        }
        for key, value in node.value:
            self._span(key)
            inner = str(key.value)
            below = secret or inner in _ALL_SECRET
            below |= plain.get("kind") == "Secret" and inner in _SECRET_DATA
            below |= name == "http_headers" and names_secret(inner)
            if inner == "value" and isinstance(value, yaml.ScalarNode) and "name" in plain:
                self.read(value, plain["name"], name, secret=below)
            else:
                self.read(value, inner, name, secret=below)

    def _read_scalar(self, node: yaml.ScalarNode, name: str, under: str, *, secret: bool) -> None:
        begin, end = self._span(node)
        raw = self.text[begin:end]
        anchor = match[1] if (match := _ANCHOR.match(raw)) else ""
        secret |= self.by_name and _is_secret(node, name, under)
        if secret and node.value and not _ELSEWHERE.fullmatch(node.value):
            # Also where it was looked at before, by an alias that stands for no secret.
            self.edits[begin, end] = f'{anchor}"{REDACTED}"'
            return
        new = self._cleaned(node.value, name)
        if new == node.value or (begin, end) in self.edits:
            return
        told = _literal(raw, node.value, new) if node.style == "|" else None
        self.edits[begin, end] = told or anchor + json.dumps(new, ensure_ascii=False)

    def _cleaned(self, value: str, name: str) -> str:
        """A scalar that is no secret itself, without those in it."""
        if "\n" in value:
            value = self._within(value, name)
        elif self.by_name and (match := _OPTION.fullmatch(value)) and _names(match[2]):
            value = match[1] + REDACTED
        return self.clean(_redact_addresses(value))

    def _within(self, text: str, name: str) -> str:
        """A text of several lines, which may be a file's."""
        if "." in name and not name.endswith((".yml", ".yaml", ".json")):
            return _redact_lines(text)
        with contextlib.suppress(yaml.YAMLError):
            return redact(text, self.clean)
        return text

    def _span(self, node: yaml.Node) -> _Mark:
        """Where it stands, without the empty lines behind it."""
        begin, end = node.start_mark.index, node.end_mark.index
        found = begin, begin + len(self.text[begin:end].rstrip())
        if isinstance(node, yaml.ScalarNode):
            self.scalars.add(found)
        return found


def _is_secret(node: yaml.ScalarNode, name: str, under: str) -> bool:
    if not node.value or node.tag in _NEVER or under in _PATHS:
        return False
    if _ADDRESS.search(name) and under in _POSTED_TO:
        return not node.value.endswith(_HISTORY_PATH)
    if name in ("key", "keys") and under in _REFERENCES:
        return False
    if node.tag in _NUMBERS and not _MAY_BE_NUMBER.search(name):
        return False
    return _names(name) or name in ("slack_api_url", "api_url")


def _names(name: str) -> bool:
    """Whether a name is a secret's, and not that of a file or of an object with it."""
    return (
        _WORD.fullmatch(name) is not None
        and names_secret(name)
        and not _NO_SECRET.search(name.replace("-", "_"))
    )


def _redact_lines(text: str) -> str:
    """A text that is read by its lines: comments, and files that are no YAML."""

    def mask(match: re.Match[str]) -> str:
        value = match[3].strip("\"', ")
        if REDACTED.startswith(value):
            return match[0]
        try:
            node = yaml.compose(value)
        except yaml.YAMLError:
            node = None
        scalar = node if isinstance(node, yaml.ScalarNode) else yaml.ScalarNode("", value)
        return match[1] + REDACTED if _is_secret(scalar, match[2], "") else match[0]

    return _redact_addresses(_INNER.sub(mask, _LINE.sub(mask, text)))


def _redact_addresses(text: str) -> str:
    """Without the tokens in the queries of addresses."""

    def mask(match: re.Match[str]) -> str:
        return match[1] + REDACTED if _names(match[2]) else match[0]

    return _PARAMETER.sub(mask, text) if "://" in text else text


def _literal(raw: str, value: str, new: str) -> str | None:
    """A block of lines with another content; None if its lines aren't those of its value."""
    head, _, body = raw.partition("\n")
    source, lines = body.split("\n"), value.rstrip("\n").split("\n")
    if len(source) != len(lines) or not all(map(str.endswith, source, lines)):
        return None
    indents = {len(one) - len(line) for one, line in zip(source, lines, strict=True) if line}
    if len(indents) != 1:
        return None
    margin = " " * indents.pop()
    told = [margin + line if line else "" for line in new.rstrip("\n").split("\n")]
    return "\n".join([head, *told])


def _is_billing_yml(text: str) -> bool:
    """Whether it is the exporter's own configuration, none of whose keys has a secret."""
    try:
        document = Document(Path("billing.yml"), text)
        document.convert(Config, "")
        document.check()
    except SettingsError:
        return False
    return True

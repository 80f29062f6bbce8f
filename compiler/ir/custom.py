"""The bases of a dialect's own attributes, types and enumerations."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from compiler.ir.attributes import Attribute, Type
from compiler.ir.codec import fields_text, parse_fields
from compiler.ir.scanner import Scanner


class DialectAttribute(Attribute):
    """`#prefix.name<body>`: the tools take the body as it is, the class writes and reads it.

    The body of a frozen dataclass is `field = value, ...` unless it overrides `body` and `parse_body`.
    """

    mnemonic: ClassVar[str] = ""
    sigil: ClassVar[str] = "#"

    def __init_subclass__(cls, mnemonic: str = "", **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if mnemonic:
            cls.mnemonic = mnemonic

    def spell(self) -> str:
        body = self.body()
        return f"{self.sigil}{self.mnemonic}" + (f"<{body}>" if body else "")

    def body(self) -> str:
        """What stands between the angle brackets."""
        return fields_text(self)

    @classmethod
    def parse_body(cls, body: Scanner) -> Attribute:
        """Read what `body()` wrote, up to the closing bracket."""
        return parse_fields(cls, body)


class DialectType(DialectAttribute, Type):
    """`!prefix.name<body>`."""

    sigil: ClassVar[str] = "!"


class EnumAttr(DialectAttribute, Enum):
    """`#prefix.name<member>`, a choice of words: `class Activation(EnumAttr, mnemonic="bsp.act")`."""

    def body(self) -> str:
        return str(self.value)

    @classmethod
    def parse_body(cls, body: Scanner) -> Attribute:
        return body.choice({str(member.value): member for member in cls})

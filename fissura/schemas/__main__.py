"""Write the JSON schemas of the messages beside this module."""

from __future__ import annotations

from fissura.schemas import write_schemas

if __name__ == "__main__":
    for path in write_schemas():
        print(path)

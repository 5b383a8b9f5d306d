"""Makes the database that every server gets a copy of: python -m frameworks.pyramid_app.seed."""

import os
import sqlite3

NOTES = [("Spey", "Scotland's fastest river"), ("Livet <&>", "Flows into the Avon")]


def main() -> None:
    connection = sqlite3.connect(os.environ["FRAMEWORKS_DATABASE"])
    connection.execute("create table note (id integer primary key, title text not null, text text not null default '')")
    connection.executemany("insert into note (title, text) values (?, ?)", NOTES)
    connection.commit()
    connection.close()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What record appends, and that it keeps what is there."""

import pathlib
import re
import tempfile
import unittest

from results import record


class Results(unittest.TestCase):
    def test_record_appends_with_date_commit_and_machine(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch) / "RESULTS.md"
            record("put", "socle-bench put", ", shared), by turns.", ["a table\n", ("etcd:", "another")], path=path)
            first = path.read_text()
            self.assertTrue(first.startswith("# Results\n"))
            self.assertRegex(first, r"\n## put, \d{4}-\d\d-\d\d, commit [0-9a-z]+\n\n    socle-bench put\n")
            self.assertRegex(first, r"\n\d+ cores \(\w+, shared\), by turns\.\n\n```\na table\n```\n\netcd:\n\n```\nanother\n```\n$")
            record("watch", "socle-bench watch", ").", ["third"], path=path)
            self.assertTrue(path.read_text().startswith(first))
            self.assertEqual(len(re.findall("^# Results", path.read_text(), flags=re.M)), 1)


if __name__ == "__main__":
    unittest.main()

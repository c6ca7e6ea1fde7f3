#!/usr/bin/env python3
"""Tests check_layers.py on a made-up tree of a few files."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_layers  # noqa: E402


class CheckLayersTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        for header in ("base/status.h", "quant/grid.h", "store/blob.h", "detect/image/decode.h", "app/app.h", "model/spec.h"):
            self.write(f"server/{header}", "")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def problems(self, name, text):
        self.write(name, text)
        return check_layers.Checker(self.root).run()

    def assert_one(self, problems, *words):
        self.assertEqual(len(problems), 1, problems)
        for word in words:
            self.assertIn(word, problems[0])

    def test_the_real_table_is_accepted(self):
        self.assertEqual(check_layers.Checker(self.root).run(), [])

    def test_own_room_base_abseil_and_the_library_are_always_allowed(self):
        text = '#include "quant/grid.h"\n#include <sys/mman.h>\n#include <vector>\n#include "absl/status/status.h"\n#include "base/status.h"\n'
        self.assertEqual(self.problems("server/quant/pack.cc", text), [])

    def test_a_room_outside_the_row_is_refused_with_its_line(self):
        self.assert_one(self.problems("server/quant/pack.cc", '\n#include "store/blob.h"\n'),
                        "server/quant/pack.cc:2:", "quant may not include store")

    def test_base_may_include_no_room(self):
        self.assert_one(self.problems("server/base/log.cc", '#include "quant/grid.h"\n'), "base may not include quant")

    def test_a_subfolder_is_a_room_of_its_own(self):
        self.assertEqual(self.problems("server/serving/detector.cc", '#include "detect/image/decode.h"\n'), [])
        self.assert_one(self.problems("server/model/spec.cc", '#include "detect/image/decode.h"\n'),
                        "model may not include detect/image")

    def test_a_folder_inside_a_room_without_a_row_belongs_to_the_room(self):
        self.assert_one(self.problems("server/quant/tables/a.cc", '#include "model/spec.h"\n'), "quant may not include model")

    def test_rpc_may_include_every_room_but_app(self):
        self.assertEqual(self.problems("server/rpc/a.cc", '#include "detect/image/decode.h"\n#include "store/blob.h"\n'), [])
        self.assert_one(self.problems("server/rpc/a.cc", '#include "app/app.h"\n'), "rpc may not include app")

    def test_a_folder_that_is_no_room_is_refused(self):
        self.assert_one(self.problems("server/misc/a.cc", ""), "server/misc/a.cc:1:", "misc is no room")

    def test_third_parties_stay_in_their_rooms(self):
        for name, include, room in (("gRPC", "grpcpp/grpcpp.h", "serving"), ("protobuf", "google/protobuf/message.h", "graph"),
                                    ("protobuf", "lbw/v1/model.pb.h", "registry"), ("torch", "torch/torch.h", "engine"),
                                    ("OpenCV", "opencv2/core.hpp", "detect"), ("SQLite", "sqlite3.h", "registry"),
                                    ("spdlog", "spdlog/spdlog.h", "rpc"), ("httplib", "httplib.h", "rpc"),
                                    ("Prometheus", "prometheus/counter.h", "rpc"), ("JSON", "nlohmann/json.hpp", "store")):
            with self.subTest(name=name):
                path = self.root / "server" / room / "third.cc"
                self.assert_one(self.problems(f"server/{room}/third.cc", f"#include <{include}>\n"), f"{room} may not include {name}")
                path.unlink()

    def test_third_parties_are_allowed_at_home(self):
        self.assertEqual(self.problems("server/graph/onnx/a.cc", "#include <google/protobuf/message.h>\n#include <onnx/onnx_pb.h>\n"), [])
        self.assertEqual(self.problems("server/engine/torch/a.cc", "#include <torch/torch.h>\n"), [])

    def test_torch_is_never_in_a_header(self):
        self.assert_one(self.problems("server/engine/torch/a.h", "#include <torch/torch.h>\n"), "by a header")

    def test_a_version_header_may_include_torch_and_stays_with_its_rooms_sources(self):
        self.assertEqual(self.problems("server/engine/torch/torch_version.h", "#include <torch/version.h>\n"), [])
        self.assertEqual(self.problems("server/engine/torch/a.cc", '#include "engine/torch/torch_version.h"\n'), [])
        self.assert_one(self.problems("server/engine/torch/a.h", '#include "engine/torch/torch_version.h"\n'), "for the sources of")

    def test_an_unknown_third_party_is_refused(self):
        self.assert_one(self.problems("server/base/a.cc", "#include <boost/any.hpp>\n"), "no known third party")

    def test_a_quoted_include_is_relative_to_server(self):
        self.assert_one(self.problems("server/quant/a.cc", '#include "grid.h"\n'), "relative to server/")

    def test_environment_clock_and_randomness_have_one_owner(self):
        for code, advice in (("getenv(\"A\")", "config only"), ("std::chrono::steady_clock::now()", "base/clock.h"),
                             ("absl::Now()", "base/clock.h"), ("std::random_device d", "base only")):
            with self.subTest(code=code):
                self.assert_one(self.problems("server/store/a.cc", f"auto x = {code};\n"), "server/store/a.cc:1:", advice)
        self.write("server/store/a.cc", "")
        self.assertEqual(self.problems("server/config/a.cc", "auto x = getenv(\"A\");\n"), [])
        self.assertEqual(self.problems("server/jobs/a.cc", "auto x = environ;\n"), [])
        self.assert_one(self.problems("server/store/a.cc", "auto x = environ;\n"), "config only")
        self.write("server/store/a.cc", "")
        self.assertEqual(self.problems("server/base/a.cc", "auto x = absl::Now();\n"), [])

    def test_comments_and_literals_do_not_count(self):
        text = '// #include "store/blob.h"\n/* getenv("A") */\nconst char* s = "absl::Now()";\nconst char* r = R"(getenv("A"))";\nint n = 1\'000;\n'
        self.assertEqual(self.problems("server/quant/a.cc", text), [])

    def test_a_cycle_of_headers_is_found(self):
        self.write("server/quant/a.h", '#include "quant/b.h"\n')
        self.assert_one(self.problems("server/quant/b.h", '#include "quant/a.h"\n'), "include each other", "quant/a.h -> quant/b.h")

    def test_a_cycle_of_the_table_is_found(self):
        rooms = "base |\nquant | store\nstore | quant\n"
        problems = check_layers.Checker(self.root / "none", rooms=rooms).run()
        self.assert_one(problems, "table of rooms has a cycle")


if __name__ == "__main__":
    unittest.main()

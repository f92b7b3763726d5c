"""Locations: what a person or a dataset file writes, resolved without opening anything."""

import os
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.errors import DataError
from imaging_core.store import Location

BASES = [
    Location.parse(text)
    for text in ("/data/isic", "/", "s3://bucket/sets/isic", "s3://bucket", "http://host:8080/sets")
]
PARTS = st.one_of(
    st.sampled_from(["..", ".", "", "a b", "50%", "%20", "~", "x#y", "q?w", "é", "s3:", "C:\\scan", "...", ".hidden"]),
    st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=8),
)
PATHS = st.lists(PARTS, min_size=1, max_size=6).map("/".join).filter(lambda text: text and "://" not in text)


class TestParse:
    @pytest.mark.parametrize(
        ("text", "scheme", "host", "path"),
        [
            ("/data/a.png", "file", "", "/data/a.png"),
            ("/data/../etc//x/./y/", "file", "", "/etc/x/y"),
            ("file:///data/a%20b.png", "file", "", "/data/a b.png"),
            ("file://localhost/data/a.png", "file", "", "/data/a.png"),
            ("FILE:///data/a.png", "file", "", "/data/a.png"),
            ("s3://bucket/a/b.png", "s3", "bucket", "/a/b.png"),
            ("s3://bucket", "s3", "bucket", "/"),
            ("s3://Bucket/50%25/x?y#z", "s3", "Bucket", "/50%25/x?y#z"),
            ("s3://bucket/a/../../../b", "s3", "bucket", "/b"),
            ("http://Host:8080/a%20b.png", "http", "host:8080", "/a b.png"),
            ("https://host", "https", "host", "/"),
        ],
    )
    def test_full_locations(self, text, scheme, host, path):
        for base in (None, *BASES):
            location = Location.parse(text, base)
            assert (location.scheme, location.host, location.path) == (scheme, host, path)

    def test_a_query_is_kept_as_it_is_written(self):
        location = Location.parse("https://host/a.png?X-Signature=a%2Fb&c=../d")
        assert (location.path, location.query) == ("/a.png", "X-Signature=a%2Fb&c=../d")
        assert str(location) == "https://host/a.png?X-Signature=a%2Fb&c=../d"

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("a.png", "/data/isic/a.png"),
            ("./a.png", "/data/isic/a.png"),
            ("../a.png", "/data/a.png"),
            ("../../../../a.png", "/a.png"),
            ("a//b///c.png", "/data/isic/a/b/c.png"),
            ("a/", "/data/isic/a"),
            ("~/a.png", "/data/isic/~/a.png"),
            ("a%20b.png", "/data/isic/a%20b.png"),
            ("a?b#c.png", "/data/isic/a?b#c.png"),
            ("s3:/a.png", "/data/isic/s3:/a.png"),
        ],
    )
    def test_relative_ones_start_from_the_base_and_mean_what_they_say(self, text, path):
        assert Location.parse(text, Location.parse("/data/isic")).path == path

    def test_without_a_base_they_start_from_the_working_folder_or_home(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", "/home/doctor")
        assert Location.parse("a/b.png").path == f"{tmp_path}/a/b.png"
        assert Location.parse("~/b.png").path == "/home/doctor/b.png"
        assert Location.parse("~nobody-of-this-name/b.png").path == f"{tmp_path}/~nobody-of-this-name/b.png"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "empty"),
            ("a\0b", "not printable"),
            ("http://host/a%00b", "not printable"),
            ("file:///a%00b", "not printable"),
            ("file:///%ff", "not UTF-8"),
            ("s3:///a.png", "no bucket after s3://"),
            ("http:///a.png", "no host after http://"),
            ("file://data/a.png", "third slash"),
        ],
    )
    def test_what_is_no_location_is_refused_in_words(self, text, words):
        for base in (None, *BASES):
            with pytest.raises(DataError, match="location") as error:
                Location.parse(text, base)
            assert words in str(error.value)

    @given(st.sampled_from(BASES), PATHS)
    def test_is_what_posixpath_says(self, base, text):
        if not text.startswith("/"):
            assert Location.parse(text, base).path == posixpath.normpath(f"{base.path}/{text}").replace("//", "/")

    @given(st.sampled_from(BASES), PATHS)
    def test_reads_back_what_str_writes(self, base, text):
        location = Location.parse(text, base)
        assert Location.parse(str(location)) == location

    def test_bytes_of_a_url_that_are_not_utf8_stay_as_they_are(self):
        assert str(Location.parse("http://host/%E9t%E9.png")) == "http://host/%E9t%E9.png"


class TestRelativeTo:
    @given(st.sampled_from(BASES), PATHS, st.sampled_from(BASES), PATHS)
    def test_leads_back_from_any_folder_of_any_store(self, base, text, other, folder_text):
        location, folder = Location.parse(text, base), Location.parse(folder_text, other)
        assert Location.parse(location.relative_to(folder), folder) == location

    def test_is_short_in_one_store_and_full_across_stores(self):
        image = Location.parse("s3://bucket/sets/isic/images/a.png")
        assert image.relative_to(Location.parse("s3://bucket/runs/1/shards")) == "../../../sets/isic/images/a.png"
        assert image.relative_to(Location.parse("s3://other/runs")) == "s3://bucket/sets/isic/images/a.png"
        assert image.relative_to(Location.parse("/runs")) == "s3://bucket/sets/isic/images/a.png"


class TestIsWithin:
    @pytest.mark.parametrize(
        ("text", "within"),
        [
            ("/data/isic", True),
            ("/data/isic/a/b.png", True),
            ("/data/isic2/a.png", False),
            ("/data/isic/../a.png", False),
            ("/data", False),
            ("s3://data/isic/a.png", False),
        ],
    )
    def test_counts_whole_folder_names(self, text, within):
        assert Location.parse(text).is_within(Location.parse("/data/isic")) is within

    def test_everything_is_within_the_root_of_its_store(self):
        assert Location.parse("/a").is_within(Location.parse("/"))
        assert Location.parse("s3://b/a").is_within(Location.parse("s3://b"))
        assert not Location.parse("s3://b2/a").is_within(Location.parse("s3://b"))
        assert not Location.parse("https://h/a").is_within(Location.parse("http://h"))


def test_parts_of_a_location():
    location = Location.parse("s3://bucket/sets/Scan.NII.GZ")
    assert (location.name, location.suffix, location.key) == ("Scan.NII.GZ", ".gz", "sets/Scan.NII.GZ")
    assert str(location.parent) == "s3://bucket/sets"
    assert str(location.parent.join("masks", "../m.png")) == "s3://bucket/sets/m.png"


def test_a_person_sees_the_short_way_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Location.parse("runs/1").for_person() == os.path.join("runs", "1")  # noqa: PTH118 - text, not a path
    assert Location.parse("/elsewhere/x.yml").for_person() == "/elsewhere/x.yml"
    assert Location.parse("s3://b/x.yml").for_person() == "s3://b/x.yml"

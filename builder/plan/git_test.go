package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseGit(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0123456789", 4)
	for s, want := range map[string]Git{
		"https://example.com/x.git":                          {Remote: "https://example.com/x.git"},
		"https://example.com/x.git#main":                     {Remote: "https://example.com/x.git", Ref: "main"},
		"https://example.com/x.git#main:sub/dir/":            {Remote: "https://example.com/x.git", Ref: "main", Dir: "sub/dir"},
		"https://example.com/x.git#:sub":                     {Remote: "https://example.com/x.git", Dir: "sub"},
		"github.com/a/b":                                     {Remote: "https://github.com/a/b"},
		"git@example.com:a/b.git#v1":                         {Remote: "git@example.com:a/b.git", Ref: "v1"},
		"ssh://git@example.com/a":                            {Remote: "ssh://git@example.com/a"},
		"git://example.com/a#" + hash:                        {Remote: "git://example.com/a", Ref: hash},
		"https://e.com/x.git?tag=v1&subdir=s&checksum=abcd1": {Remote: "https://e.com/x.git", Ref: "v1", Dir: "s", Commit: "abcd1"},
		"https://e.com/x.git?keep-git-dir=true&submodules=0": {Remote: "https://e.com/x.git", KeepDir: true, NoSubmodules: true},
	} {
		got, err := ParseGit(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s: %s", s, diff)
		}
	}
	for _, bad := range []string{
		"https://example.com/x", "x.git", "https://e.com/x.git#--upload-pack=x", "https://e.com/x.git?what=1",
		"https://e.com/x.git?ref=a#b", "https://e.com/x.git?checksum=zz", "https://e.com/x.git?ref=a&tag=b", "https://e.com/x.git?%zz",
	} {
		if g, err := ParseGit(bad); err == nil {
			t.Errorf("%s is %+v", bad, g)
		}
	}
	if !IsCommit(hash) || IsCommit(hash[1:]) || IsCommit("main") {
		t.Error("what a commit is")
	}
}

func TestShowURL(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"https://user:t0ken@example.com/x@y.git#a": "https://example.com/x@y.git#a",
		"https://t0ken@example.com":                "https://example.com",
		"https://t0:k/en@example.com":              "https://t0:k/en@example.com", // the host is "t0"
		"ssh://git@example.com/x":                  "ssh://git@example.com/x",
		"git@example.com:x":                        "git@example.com:x",
	} {
		if got := ShowURL(s); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

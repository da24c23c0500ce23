package attach

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"cove/errdefs"
)

func TestDetacher(t *testing.T) {
	t.Parallel()
	keys, err := ParseKeys("ctrl-p,ctrl-q")
	if err != nil || string(keys) != "\x10\x11" {
		t.Fatalf("%q %v", keys, err)
	}
	for in, want := range map[string]string{
		"abc":             "abc",
		"abc\x10\x11def":  "abc!",
		"a\x10b\x10\x10c": "a\x10b\x10\x10c",
		"a\x10\x10\x11b":  "a\x10!",
		"end\x10":         "end\x10",
		"\x10\x11":        "!",
	} {
		for name, r := range map[string]io.Reader{
			"whole":    strings.NewReader(in),
			"bytewise": iotest.OneByteReader(strings.NewReader(in)),
		} {
			var out bytes.Buffer
			_, err := io.Copy(&out, NewDetacher(r, keys))
			got := out.String()
			if errors.Is(err, ErrDetached) {
				got += "!"
			}
			if got != want {
				t.Errorf("%s %q: %q, want %q", name, in, got, want)
			}
		}
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"ctrl-p,ctrl-q": "\x10\x11", "a,b": "ab", "ctrl-@,ctrl-]": "\x00\x1d"} {
		if got, err := ParseKeys(in); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "ctrl-", "ctrl-1", "ab", "a,,b"} {
		if _, err := ParseKeys(bad); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", bad, err)
		}
	}
}

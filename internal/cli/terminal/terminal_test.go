package terminal

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", "": "", "a\r\n": "a", "10%\r20%": "20%", "10%\r20%\r": "20%", "a\tb": "a       b", "中\tb": "中      b",
		"\x1b[2Jgone": "gone", "\x1b[1;31mred\x1b[0m": "red", "\x1b[?25l\x1b[10;10Hx": "x", "a\x1b": "a", "a\x1b[": "a", "a\x1b[12": "a",
		"\x1b]0;title\x07x": "x", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link", "\x1bPq#0\x1b\\x": "x", "\x1b_apc": "",
		"\x1b]52;c;aGk=\u009cx": "x", "\x1bc\x1b7\x1b(Bx": "x", "\u009b2Jx": "x", "\u009d0;t\x07x": "x", "\x9b2Jx": "x", "\x9d0;t\x07x": "x",
		"a\x00\x07\x7f\u0085b": "ab", "ab\bc": "ac", "\b\b": "", "中\bx": "x", "\xff\xfe": "\ufffd\ufffd", "\u202eevil": "evil", "é中🙂": "é中🙂",
		"\x1b[2\x1b[2Jx": "x", "one\ntwo": "one two", "\x1b]0;x\x1b[2Jy": "y",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCutAndPad(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in    string
		cells int
		want  string
	}{
		{"abc", 5, "abc"},
		{"abc", 2, "ab"},
		{"abc", 0, ""},
		{"中文字", 6, "中文字"},
		{"中文字", 5, "中文"},
		{"中文字", 1, ""},
		{"e\u0301e\u0301x", 2, "e\u0301e\u0301"},
		{"👨‍👩‍👧x", 2, "👨‍👩‍👧"},
		{"🙂🙂", 3, "🙂"},
	} {
		if got := Cut(tc.in, tc.cells); got != tc.want || Width(got) > tc.cells {
			t.Errorf("Cut(%q, %d) = %q, want %q", tc.in, tc.cells, got, tc.want)
		}
		if got := Width(Pad(Cut(tc.in, tc.cells), tc.cells)); got != tc.cells {
			t.Errorf("%q is padded to %d cells, want %d", tc.in, got, tc.cells)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"\x1b[2J", "\x9b1m\x9c", "\x1b]0;\x1b", "a\r\b\t", "\xc2", "\u009b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := Clean(s)
		if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return unicode.IsControl(r) || direction(r) }) {
			t.Errorf("Clean(%q) = %q", s, out)
		}
		if cut := Cut(out, 10); Width(cut) > 10 || !strings.HasPrefix(out, cut) {
			t.Errorf("Cut(%q) = %q", out, cut)
		}
	})
}
